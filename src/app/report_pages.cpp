#include "app/report_pages.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "app/json_pages.hpp"
#include "app/page.hpp"
#include "app/when.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

/// The stretch of time that a query asks for.
Result<account::ChargeQuery> read_stretch(std::string_view query, Instant now) {
  account::ChargeQuery stretch;
  for (const auto& [name, target] : {std::pair{"since", &stretch.since}, std::pair{"until", &stretch.until}}) {
    const auto text = query_field(query, name);
    if (!text) continue;
    const auto instant = read_when(*text, now);
    if (!instant) return std::unexpected{instant.error()};
    *target = *instant;
  }
  return stretch;
}

ordered_json optional_time(const std::optional<Instant>& instant) {
  return instant ? ordered_json(to_rfc3339(*instant)) : ordered_json(nullptr);
}

std::map<std::string, Rates, std::less<>> shadow_prices(const catalog::Catalog& catalog) {
  std::map<std::string, Rates, std::less<>> prices;
  for (const auto& model : catalog.models()) {
    if (model.shadow_price) prices.emplace(model.target(), *model.shadow_price);
  }
  return prices;
}

Result<account::SpendQuery> read_spend_query(const ReportSources& sources, std::string_view text, Instant now) {
  account::SpendQuery query;
  const auto every = query_field(text, "every");
  if (every) {
    auto period = read_group_by(*every);
    if (!period) return std::unexpected{period.error()};
    if (period->size() != 1 || !is_time(period->front())) {
      return std::unexpected{client_error("bad_request", "every knows hour, day, week and month, not " + quoted_for_message(*every), "every")};
    }
    query.group_by.push_back(period->front());
  }
  auto group_by = read_group_by(query_field(text, "by").value_or(every ? "" : "model"));
  if (!group_by) return std::unexpected{group_by.error()};
  query.group_by.insert(query.group_by.end(), group_by->begin(), group_by->end());
  const auto stretch = read_stretch(text, now);
  if (!stretch) return std::unexpected{stretch.error()};
  query.since = stretch->since;
  query.until = stretch->until;
  if (const auto planned = sources.planned()) query.shadow_prices = shadow_prices(planned->catalog);
  return query;
}

}  // namespace

WholeReply spend_page(const ReportSources& sources, std::string_view text) {
  const Instant now = sources.clock.now();
  const auto query = read_spend_query(sources, text, now);
  if (!query) return fault_page(query.error());
  auto rows = sources.ledger.spend(*query);
  if (!rows) return fault_page(rows.error());
  if (query_field(text, "every")) *rows = with_empty_periods(std::move(*rows), *query, now);
  ordered_json body;
  body["by"] = ordered_json::array();
  for (const auto by : query->group_by) body["by"].push_back(name_of(by));
  body["since"] = optional_time(query->since);
  body["until"] = optional_time(query->until);
  body["rows"] = ordered_json::array();
  account::SpendRow total;
  for (const auto& row : *rows) {
    body["rows"].push_back(to_json(row, query->group_by));
    total += row;
  }
  body["total"] = to_json(total, {});
  return page(body);
}

}  // namespace turnpike::app
