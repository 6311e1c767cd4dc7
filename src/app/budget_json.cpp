#include "app/budget_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/budget_change.hpp"
#include "app/json_fields.hpp"
#include "app/window_text.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

void add_amount(ordered_json& json, const std::string& name, Credits amount) {
  json[name] = turnpike::to_string(amount);
  json[name + "_nano"] = amount.nano();
}

/// Whole percent of the limit, rounded down, so that 100 means full.
std::int64_t percent_of(Credits used, Credits limit) {
  __extension__ using Wide = __int128;
  if (limit.nano() <= 0) return 100;
  return static_cast<std::int64_t>(Wide{used.nano()} * 100 / limit.nano());
}

}  // namespace

Credits settled_in(const account::WindowState& window) { return window.settled + window.elsewhere; }

Credits used_in(const account::WindowState& window) { return settled_in(window) + window.reserved; }

std::string_view name_of(Pressure pressure) {
  switch (pressure) {
    case Pressure::none:
      return "none";
    case Pressure::notify:
      return "notify";
    case Pressure::prefer_cheap:
      return "prefer_cheap";
    case Pressure::cheap_only:
      return "cheap_only";
  }
  return "none";
}

ordered_json to_json(const account::WindowState& window) {
  const Credits used = used_in(window);
  ordered_json json;
  json["window"] = to_string(window.rule);
  json["span"] = span_text(window.rule);
  add_amount(json, "limit", window.rule.limit);
  add_amount(json, "settled", window.settled);
  add_amount(json, "reserved", window.reserved);
  add_amount(json, "elsewhere", window.elsewhere);
  add_amount(json, "used", used);
  add_amount(json, "room", std::max(Credits{}, window.rule.limit - used));
  json["percent"] = percent_of(used, window.rule.limit);
  json["start"] = to_rfc3339(window.start);
  json["end"] = json_of(window.end);
  json["pressure"] = name_of(window.pressure);
  return json;
}

ordered_json to_json(const account::BudgetState& budget) {
  ordered_json json;
  json["budget"] = budget.budget;
  json["frozen"] = budget.frozen;
  json["concurrency_max"] = json_of(budget.concurrency_max);
  json["request_cost_max"] = json_of(budget.request_cost_max);
  json["conversation_max"] = json_of(budget.conversation_max);
  json["open_attempts"] = budget.open_attempts;
  json["by"] = budget.by;
  json["why"] = budget.why;
  json["windows"] = ordered_json::array();
  for (const auto& window : budget.windows) json["windows"].push_back(to_json(window));
  return json;
}

ordered_json to_json(const account::BudgetSettings& settings) {
  ordered_json json;
  json["windows"] = ordered_json::array();
  for (const auto& rule : settings.windows) json["windows"].push_back(to_string(rule));
  json["frozen"] = settings.frozen;
  json["concurrency_max"] = json_of(settings.concurrency_max);
  json["request_cost_max"] = json_of(settings.request_cost_max);
  json["conversation_max"] = json_of(settings.conversation_max);
  return json;
}

ordered_json to_json(const std::vector<account::BudgetChange>& history) {
  auto list = ordered_json::array();
  account::BudgetSettings before;
  for (const auto& change : history) {
    ordered_json json;
    json["entry"] = change.entry;
    json["at"] = to_rfc3339(change.at);
    json["by"] = change.settings.by;
    json["why"] = change.settings.why;
    json["changes"] = differences(before, change.settings);
    json["settings"] = to_json(change.settings);
    before = change.settings;
    list.push_back(std::move(json));
  }
  return list;
}

account::BudgetSettings settings_of(const account::BudgetState& state) {
  account::BudgetSettings settings;
  settings.budget = state.budget;
  for (const auto& window : state.windows) settings.windows.push_back(window.rule);
  settings.frozen = state.frozen;
  settings.concurrency_max = state.concurrency_max;
  settings.request_cost_max = state.request_cost_max;
  settings.conversation_max = state.conversation_max;
  return settings;
}

Result<std::vector<account::WindowRule>> read_windows(const ordered_json& body) {
  std::vector<account::WindowRule> rules;
  const auto found = body.find("windows");
  if (found == body.end() || found->is_null()) return rules;
  const auto wrong = bad_field("windows", "must be a list like [\"100/month\"]");
  if (!found->is_array()) return std::unexpected{wrong};
  for (const auto& window : *found) {
    if (!window.is_string()) return std::unexpected{wrong};
    auto rule = read_window(window.get<std::string>());
    if (!rule) return std::unexpected{rule.error()};
    rules.push_back(*std::move(rule));
  }
  return rules;
}

Result<BudgetRequest> read_budget(const ordered_json& body) {
  if (auto good =
          check_fields(body, {"budget", "windows", "frozen", "concurrency_max", "request_cost_max",
                              "conversation_max", "why", "by", "dry_run"});
      !good) {
    return std::unexpected{good.error()};
  }
  BudgetRequest request;
  auto& settings = request.settings;
  auto name = read_text(body, "budget");
  if (!name) return std::unexpected{name.error()};
  if (!*name) return std::unexpected{bad_field("budget", "is missing")};
  settings.budget = **std::move(name);
  auto windows = read_windows(body);
  if (!windows) return std::unexpected{windows.error()};
  settings.windows = *std::move(windows);
  const auto frozen = read_flag(body, "frozen");
  if (!frozen) return std::unexpected{frozen.error()};
  request.frozen = *frozen;
  const auto attempts = read_count_bound(body, "concurrency_max");
  if (!attempts) return std::unexpected{attempts.error()};
  settings.concurrency_max = attempts->value_or(std::nullopt);
  for (const auto& [field, target] : {std::pair{"request_cost_max", &settings.request_cost_max},
                                      {"conversation_max", &settings.conversation_max}}) {
    const auto amount = read_credits_bound(body, field);
    if (!amount) return std::unexpected{amount.error()};
    *target = amount->value_or(std::nullopt);
  }
  return request;
}

}  // namespace turnpike::app
