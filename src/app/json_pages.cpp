#include "app/json_pages.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

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

std::string_view name_of(Pressure pressure) {
  switch (pressure) {
    case Pressure::none: return "none";
    case Pressure::notify: return "notify";
    case Pressure::prefer_cheap: return "prefer_cheap";
    case Pressure::cheap_only: return "cheap_only";
  }
  return "none";
}

ordered_json optional_time(const std::optional<Instant>& instant) {
  return instant ? ordered_json(to_rfc3339(*instant)) : ordered_json(nullptr);
}

Error bad_field(std::string_view field, std::string_view what) {
  return client_error("bad_request", fmt::format("{} {}", field, what), std::string{field});
}

Result<std::string> text_field(const ordered_json& body, const char* field, bool required) {
  const auto found = body.find(field);
  if (found == body.end() || found->is_null()) {
    if (required) return std::unexpected{bad_field(field, "is missing")};
    return std::string{};
  }
  if (!found->is_string()) return std::unexpected{bad_field(field, "must be a string")};
  return found->get<std::string>();
}

}  // namespace

ordered_json to_json(const account::KeyInfo& key) {
  ordered_json json;
  json["id"] = key.account.key_id;
  json["name"] = key.account.key_name;
  json["org"] = key.account.org;
  json["team"] = key.account.team;
  json["user"] = key.account.user;
  json["models_allowed"] = key.account.models_allowed;
  json["may_override_route"] = key.account.may_override_route;
  json["request_cost_max"] = key.account.request_cost_max ? ordered_json(turnpike::to_string(*key.account.request_cost_max)) : ordered_json(nullptr);
  json["created"] = to_rfc3339(key.created);
  json["created_by"] = key.created_by;
  json["expires"] = optional_time(key.expires);
  json["revoked"] = optional_time(key.revoked);
  return json;
}

ordered_json to_json(const account::BudgetState& budget) {
  ordered_json json;
  json["budget"] = budget.budget;
  json["frozen"] = budget.frozen;
  json["open_attempts"] = budget.open_attempts;
  json["windows"] = ordered_json::array();
  for (const auto& window : budget.windows) {
    ordered_json item;
    item["window"] = to_string(window.rule);
    item["limit"] = turnpike::to_string(window.rule.limit);
    item["settled"] = turnpike::to_string(window.settled);
    item["reserved"] = turnpike::to_string(window.reserved);
    item["settled_nano"] = window.settled.nano();
    item["reserved_nano"] = window.reserved.nano();
    item["limit_nano"] = window.rule.limit.nano();
    item["start"] = to_rfc3339(window.start);
    item["end"] = optional_time(window.end);
    item["pressure"] = name_of(window.pressure);
    json["windows"].push_back(std::move(item));
  }
  return json;
}

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

Result<account::NewKey> read_new_key(const ordered_json& body) {
  if (!body.is_object()) return std::unexpected{bad_field("body", "must be a JSON object")};
  account::NewKey key;
  const std::array<std::tuple<const char*, std::string*, bool>, 5> texts{
      {{"name", &key.name, true}, {"org", &key.org, true}, {"team", &key.team, false}, {"user", &key.user, false}, {"by", &key.by, false}}};
  for (const auto& [field, target, required] : texts) {
    auto text = text_field(body, field, required);
    if (!text) return std::unexpected{text.error()};
    *target = std::move(*text);
  }
  for (const auto& model : body.value("models_allowed", ordered_json::array())) {
    if (!model.is_string()) return std::unexpected{bad_field("models_allowed", "must be a list of strings")};
    key.models_allowed.push_back(model.get<std::string>());
  }
  if (const auto found = body.find("may_override_route"); found != body.end() && found->is_boolean()) {
    key.may_override_route = found->get<bool>();
  }
  auto cost = text_field(body, "request_cost_max", false);
  if (!cost) return std::unexpected{cost.error()};
  if (!cost->empty()) {
    const auto amount = parse_credits(*cost);
    if (!amount) return std::unexpected{amount.error()};
    key.request_cost_max = *amount;
  }
  auto expires = text_field(body, "expires", false);
  if (!expires) return std::unexpected{expires.error()};
  if (!expires->empty()) {
    const auto instant = parse_instant(*expires);
    if (!instant) return std::unexpected{instant.error()};
    key.expires = *instant;
  }
  return key;
}

Result<account::BudgetSettings> read_budget(const ordered_json& body) {
  if (!body.is_object()) return std::unexpected{bad_field("body", "must be a JSON object")};
  account::BudgetSettings settings;
  auto name = text_field(body, "budget", true);
  if (!name) return std::unexpected{name.error()};
  settings.budget = std::move(*name);
  for (const auto& window : body.value("windows", ordered_json::array())) {
    if (!window.is_string()) return std::unexpected{bad_field("windows", "must be a list like [\"100/month\"]")};
    auto rule = read_window(window.get<std::string>());
    if (!rule) return std::unexpected{rule.error()};
    settings.windows.push_back(std::move(*rule));
  }
  settings.frozen = body.value("frozen", false);
  settings.by = body.value("by", "admin");
  return settings;
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

Result<account::WindowRule> read_window(std::string_view text) {
  const auto fault = [text](std::string_view why) {
    return bad_field("window", fmt::format("{} is not a limit: {}; write \"100/month\", \"5/day@Europe/Berlin\", \"20/lifetime\" or \"3/rolling:6h\"",
                                           quoted_for_message(text), why));
  };
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::unexpected{fault("there is no span")};
  const auto limit = parse_credits(text.substr(0, slash));
  if (!limit) return std::unexpected{fault("the amount is no decimal")};
  account::WindowRule rule;
  rule.limit = *limit;
  std::string_view span = text.substr(slash + 1);
  if (const std::size_t at = span.find('@'); at != std::string_view::npos) {
    rule.zone = span.substr(at + 1);
    span = span.substr(0, at);
  }
  if (span.starts_with("rolling:")) {
    rule.kind = account::WindowKind::rolling;
    std::int64_t number = 0;
    const std::string_view digits = span.substr(8, span.size() - 9);
    for (const char digit : digits) {
      if (digit < '0' || digit > '9' || number > 1'000'000) return std::unexpected{fault("the duration is no number")};
      number = number * 10 + (digit - '0');
    }
    const char unit = span.back();
    const std::int64_t seconds = unit == 'd' ? 86400 : unit == 'h' ? 3600 : unit == 'm' ? 60 : 0;
    if (seconds == 0 || number == 0) return std::unexpected{fault("a duration ends in m, h or d")};
    rule.duration = std::chrono::seconds{number * seconds};
    return rule;
  }
  const auto kind = account::parse_window_kind(span);
  if (!kind || *kind == account::WindowKind::rolling) return std::unexpected{fault("the span is unknown")};
  rule.kind = *kind;
  return rule;
}

std::string to_string(const account::WindowRule& rule) {
  std::string text = turnpike::to_string(rule.limit) + "/";
  if (rule.kind == account::WindowKind::rolling) return text + fmt::format("rolling:{}m", rule.duration.count() / 60);
  text += account::to_string(rule.kind);
  if (rule.zone != "UTC" && rule.kind != account::WindowKind::lifetime) text += "@" + rule.zone;
  return text;
}

}  // namespace turnpike::app
