#include "app/decision_pages.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "app/page.hpp"

namespace turnpike::app {
namespace {

std::optional<std::int64_t> number_of(std::string_view query, std::string_view name) {
  const auto text = query_field(query, name);
  if (!text) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, fault] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (fault != std::errc{} || end != text->data() + text->size() || number < 0) return -1;
  return number;
}

}  // namespace

bool asks_in_order(std::string_view query) { return query_field(query, "from") || query_field(query, "newest"); }

WholeReply decisions_in_order(account::Ledger& ledger, std::string_view query) {
  const auto newest = number_of(query, "newest");
  const auto from = number_of(query, "from");
  if (newest.value_or(0) < 0 || from.value_or(0) < 0)
    return fault_page(client_error("bad_request", "`from` and `newest` are whole numbers.", newest.value_or(0) < 0 ? "newest" : "from"));
  const auto place = newest ? ledger.place_of_newest(static_cast<std::size_t>(*newest)) : Result<account::DecisionPlace>{from.value_or(0)};
  if (!place) return fault_page(place.error());
  const auto page = ledger.decisions_from(*place, decisions_per_page);
  if (!page) return fault_page(page.error());
  WholeReply reply;
  reply.body = R"({"decisions":[)";
  for (const auto& record : page->records) {
    if (reply.body.back() != '[') reply.body += ',';
    reply.body += record;
  }
  reply.body += ']';
  if (page->next != 0) reply.body += fmt::format(R"(,"next":{})", page->next);
  reply.body += '}';
  return reply;
}

}  // namespace turnpike::app
