// Anthropic's Admin API, /v1/organizations/usage_report/messages and /cost_report:
//   {"data": [{"starting_at", "ending_at", "results": [item…]}…], "has_more", "next_page"}
//   usage item: model, api_key_id, uncached_input_tokens, cache_read_input_tokens, output_tokens,
//     cache_creation {ephemeral_5m_input_tokens, ephemeral_1h_input_tokens}, server_tool_use {web_search_requests}
//   cost item: model, token_type, cost_type, currency, amount (a decimal string of cents)
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/invoice_reading.hpp"

namespace turnpike::app {
namespace {

using nlohmann::json;

constexpr PicoMoney cents_in_unit = 100;

std::string text_of(const json& item, const char* field) {
  const auto found = item.find(field);
  return found != item.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::unexpected<Error> fault(const std::string& what) {
  return std::unexpected{client_error("bad_invoice", "this looks like a report of Anthropic's Admin API, but " + what)};
}

/// The counter at a path of one or two names; nothing if it is absent or null.
Result<std::optional<std::int64_t>> counter(const json& item, const char* outer, const char* inner) {
  auto found = item.find(outer);
  if (found == item.end() || found->is_null()) return std::nullopt;
  const json& value = inner == nullptr ? *found : found->contains(inner) ? (*found)[inner] : json();
  if (value.is_null()) return std::nullopt;
  if (!value.is_number_integer() || value.get<std::int64_t>() < 0) return fault(fmt::format("{} is no count", inner == nullptr ? outer : inner));
  return value.get<std::int64_t>();
}

Result<void> add_usage_item(Invoice& invoice, const json& item, std::chrono::sys_days day) {
  struct Counter {
    BilledClass billed;
    const char* outer;
    const char* inner;
  };
  static constexpr std::array<Counter, 6> counters{{{BilledClass::input, "uncached_input_tokens", nullptr},
                                                    {BilledClass::cache_read, "cache_read_input_tokens", nullptr},
                                                    {BilledClass::cache_write_5m, "cache_creation", "ephemeral_5m_input_tokens"},
                                                    {BilledClass::cache_write_1h, "cache_creation", "ephemeral_1h_input_tokens"},
                                                    {BilledClass::output, "output_tokens", nullptr},
                                                    {BilledClass::web_search, "server_tool_use", "web_search_requests"}}};
  const auto model = text_of(item, "model");
  if (model.empty()) return fault("its results name no model: ask for it with group_by[]=model");
  const auto tier = text_of(item, "service_tier");
  const auto name = canonical_model(model) + (tier.empty() || tier == "standard" ? "" : " (" + tier + ")");
  for (const auto& [billed, outer, inner] : counters) {
    const auto count = counter(item, outer, inner);
    if (!count) return std::unexpected{count.error()};
    if (!*count || **count == 0) continue;
    invoice.lines.push_back({0, day, day, name, text_of(item, "api_key_id"), billed, **count, std::nullopt});
  }
  return {};
}

BilledClass class_of(const std::string& token_type, const std::string& cost_type) {
  if (token_type == "uncached_input_tokens") return BilledClass::input;
  if (token_type == "cache_read_input_tokens") return BilledClass::cache_read;
  if (token_type.ends_with("ephemeral_5m_input_tokens")) return BilledClass::cache_write_5m;
  if (token_type.ends_with("ephemeral_1h_input_tokens")) return BilledClass::cache_write_1h;
  if (token_type == "output_tokens") return BilledClass::output;
  if (cost_type == "web_search") return BilledClass::web_search;
  if (cost_type == "code_execution") return BilledClass::code_execution;
  return cost_type.empty() && token_type.empty() ? BilledClass::whole : BilledClass::other;
}

Result<void> add_cost_item(Invoice& invoice, const json& item, std::chrono::sys_days day) {
  int decimals = 0;
  const auto cents = read_money(text_of(item, "amount"), &decimals);
  if (!cents) return fault("an amount is no decimal string");
  if (!item.contains("model")) return fault("its results name no model: ask for it with group_by[]=description");
  // Cents have two digits more in front of the point than their unit.
  invoice.decimals = std::min(12, std::max(invoice.lines.empty() ? decimals_least : invoice.decimals, decimals + 2));
  if (const auto currency = text_of(item, "currency"); !currency.empty()) invoice.currency = currency;
  invoice.lines.push_back({0, day, day, canonical_model(text_of(item, "model")), {}, class_of(text_of(item, "token_type"), text_of(item, "cost_type")),
                           std::nullopt, *cents / cents_in_unit});
  return {};
}

Result<Invoice> read_report(const json& report) {
  Invoice invoice{.provider = InvoiceProvider::anthropic, .form = "Anthropic's Admin API", .currency = "USD"};
  for (const auto& bucket : report["data"]) {
    const auto day = read_day(text_of(bucket, "starting_at"));
    if (!day || !bucket.contains("results") || !bucket["results"].is_array()) return fault("a bucket lacks starting_at or results");
    for (const auto& item : bucket["results"]) {
      const auto added = item.contains("amount") ? add_cost_item(invoice, item, *day) : add_usage_item(invoice, item, *day);
      if (!added) return std::unexpected{added.error()};
    }
  }
  if (report.value("has_more", false)) invoice.notes.emplace_back("the report has further pages (has_more): give all of them");
  return invoice;
}

}  // namespace

std::optional<Result<Invoice>> read_anthropic_json(std::string_view bytes) {
  if (bytes.find_first_not_of(" \t\r\n") == std::string_view::npos || bytes[bytes.find_first_not_of(" \t\r\n")] != '{') return std::nullopt;
  const auto report = json::parse(bytes, nullptr, false);
  if (report.is_discarded()) return std::unexpected{client_error("bad_invoice", "this begins like JSON, but is not valid JSON")};
  const auto data = report.find("data");
  if (data == report.end() || !data->is_array()) return fault("its \"data\" is missing");
  return read_report(report);
}

}  // namespace turnpike::app
