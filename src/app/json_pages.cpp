#include "app/json_pages.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/json_fields.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

using account::SpendBy;
constexpr std::array<std::pair<std::string_view, SpendBy>, 14> columns{{{"key", SpendBy::key},
                                                                       {"user", SpendBy::user},
                                                                       {"team", SpendBy::team},
                                                                       {"org", SpendBy::org},
                                                                       {"model", SpendBy::model},
                                                                       {"provider", SpendBy::provider},
                                                                       {"tier", SpendBy::tier},
                                                                       {"price", SpendBy::price},
                                                                       {"hour", SpendBy::hour},
                                                                       {"day", SpendBy::day},
                                                                       {"week", SpendBy::week},
                                                                       {"month", SpendBy::month},
                                                                       {"settlement", SpendBy::settlement},
                                                                       {"cause", SpendBy::cause}}};

}  // namespace

std::string_view name_of(account::SpendBy by) {
  const auto* found = std::ranges::find(columns, by, &std::pair<std::string_view, SpendBy>::second);
  return found == columns.end() ? std::string_view{} : found->first;
}

ordered_json to_json(const account::SpendRow& row, std::span<const account::SpendBy> group_by) {
  ordered_json json;
  for (std::size_t i = 0; i < group_by.size(); ++i) json[std::string{name_of(group_by[i])}] = row.group[i];
  json["attempts"] = row.attempts;
  json["estimated"] = row.estimated;
  json["input_tokens"] = row.usage.input();
  json["input_fresh_tokens"] = row.usage.input_fresh;
  json["cache_read_tokens"] = row.usage.input_cache_read;
  json["cache_write_5m_tokens"] = row.usage.input_cache_write_5m;
  json["cache_write_1h_tokens"] = row.usage.input_cache_write_1h;
  json["output_tokens"] = row.usage.output();
  json["reasoning_tokens"] = row.usage.output_reasoning;
  for (std::size_t i = 0; i < server_tools; ++i) json[std::string{to_string(static_cast<ServerTool>(i))}] = row.usage.items[i];
  const std::array<std::pair<const char*, Credits>, 5> amounts{{{"cost", row.cost}, {"estimates", row.estimates}, {"overruns", row.overruns}, {"corrections", row.corrections}, {"shadow", row.shadow}}};
  for (const auto& [name, amount] : amounts) {
    json[name] = turnpike::to_string(amount);
    json[std::string{name} + "_nano"] = amount.nano();
  }
  return json;
}

ordered_json to_json(const account::VerifyReport& report) {
  ordered_json json;
  json["ok"] = report.ok();
  json["entries"] = report.entries;
  json["entries_in_front"] = report.entries_in_front;
  json["torn_bytes"] = report.torn_bytes;
  json["attempts"] = report.attempts;
  json["attempts_open"] = report.attempts_open;
  json["estimated"] = report.estimated;
  json["overruns"] = report.overruns;
  json["settled_nano"] = report.settled.nano();
  json["reserved_nano"] = report.reserved.nano();
  json["violation"] = nullptr;
  if (report.violation) {
    json["violation"] = {{"entry", report.violation->entry},
                         {"invariant", report.violation->invariant},
                         {"message", report.violation->message}};
  }
  return json;
}

ordered_json to_json(const account::LedgerFigures& figures) {
  ordered_json json;
  json["entries"] = figures.entries;
  json["entries_durable"] = figures.entries_durable;
  json["attempts_open"] = figures.attempts_open;
  json["reserved_nano"] = figures.reserved.nano();
  json["settled_nano"] = figures.settled.nano();
  json["conflicts"] = figures.conflicts;
  json["overruns"] = figures.overruns;
  json["estimated"] = figures.estimated;
  json["records_dropped"] = figures.records_dropped;
  json["writable"] = figures.writable;
  json["disk_full"] = figures.disk_full;
  json["store_errors"] = figures.store_errors;
  return json;
}

Result<std::vector<account::SpendBy>> read_group_by(std::string_view words) {
  std::vector<account::SpendBy> group_by;
  while (!words.empty()) {
    const std::size_t comma = words.find(',');
    const std::string_view word = words.substr(0, comma);
    const auto* found = std::ranges::find(columns, word, &std::pair<std::string_view, account::SpendBy>::first);
    if (found == columns.end()) {
      return std::unexpected{bad_field("by", fmt::format("knows key, user, team, org, model, provider, tier, price, hour, day, week, month, settlement, cause; not {}", quoted_for_message(word)))};
    }
    group_by.push_back(found->second);
    if (comma == std::string_view::npos) break;
    words.remove_prefix(comma + 1);
  }
  return group_by;
}

}  // namespace turnpike::app
