#include "app/budget_pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "app/budget_change.hpp"
#include "app/budget_json.hpp"
#include "app/budget_name.hpp"
#include "app/json_fields.hpp"
#include "app/key_json.hpp"
#include "app/page.hpp"
#include "catalog/fault.hpp"

namespace turnpike::app {
namespace {

using account::BudgetSettings;
using account::BudgetState;
using nlohmann::ordered_json;

std::optional<BudgetState> find_budget(const PageSources& sources, std::string_view name) {
  for (auto& budget : sources.ledger.budgets()) {
    if (budget.budget == name) return std::move(budget);
  }
  return std::nullopt;
}

Error unknown_budget(const PageSources& sources, std::string_view name) {
  std::vector<std::string> known;
  for (auto& budget : sources.ledger.budgets()) {
    known.push_back(std::move(budget.budget));
  }
  return client_error("unknown_budget",
                      fmt::format("there is no budget {}{}", quoted_for_message(name),
                                  catalog::nearest_hint(name, known)),
                      "budget", 404);
}

/// The budget's name with a key's name replaced by its id; a budget of a key that does not exist is
/// a typing mistake, unless there is one of that very name: a policy's shadow has its own.
Result<std::string> canonical_name(const PageSources& sources, std::string_view name) {
  const auto parts = split_budget_name(name);
  const auto scope = scope_parts(parts.scope);
  if (scope.kind != "key:" || scope.path == account::anonymous_account()->key_id)
    return std::string{name};
  const auto key = find_key(sources.ledger.keys(), scope.path);
  if (!key) {
    const auto budgets = sources.ledger.budgets();
    const bool has_one =
        std::ranges::find(budgets, name, &account::BudgetState::budget) != budgets.end();
    if (has_one) return std::string{name};
    return std::unexpected{key.error()};
  }
  auto found = "key:" + key->account.key_id;
  if (!parts.filter.empty()) found += fmt::format(" {}", parts.filter);
  return found;
}

/// A budget may be set before its keys are made, but one that binds nobody is most often misspelt.
void warn_of_scope(const PageSources& sources, std::string_view scope,
                   std::vector<std::string>& warnings) {
  auto known = scopes_of(*account::anonymous_account());
  for (const auto& key : sources.ledger.keys()) {
    if (key.revoked) continue;
    for (auto& name : scopes_of(key.account)) known.push_back(std::move(name));
  }
  if (std::ranges::find(known, scope) != known.end()) return;
  const auto kind = scope_parts(scope).kind;
  std::erase_if(known, [&](const auto& name) { return scope_parts(name).kind != kind; });
  warnings.push_back(
      fmt::format("no key belongs to {} yet: the budget binds nobody until one does{}",
                  quoted_for_message(scope), catalog::nearest_hint(scope, known)));
}

void warn_of_filter(const PageSources& sources, std::string_view filter,
                    std::vector<std::string>& warnings) {
  const auto snapshot = filter.empty() ? nullptr : sources.planned();
  if (!snapshot) return;
  std::vector<std::string> known;
  for (const auto& provider : snapshot->catalog.providers())
    known.push_back("provider:" + provider.id);
  for (const auto& model : snapshot->catalog.models()) known.push_back("model:" + model.target());
  for (const auto& tier : snapshot->policy.tier_names()) known.push_back("tier:" + tier);
  if (std::ranges::find(known, filter) != known.end()) return;
  warnings.push_back(fmt::format("the present configuration has no {}{}",
                                 quoted_for_message(filter), catalog::nearest_hint(filter, known)));
}

std::vector<std::string> warnings_about(const PageSources& sources, std::string_view name) {
  std::vector<std::string> warnings;
  const auto parts = split_budget_name(name);
  warn_of_scope(sources, parts.scope, warnings);
  warn_of_filter(sources, parts.filter, warnings);
  return warnings;
}

struct Asked {
  bool dry_run = false;
  std::string by;
  std::string why;
};

Result<Asked> read_asked(const ordered_json& body) {
  const auto dry_run = read_flag(body, "dry_run");
  if (!dry_run) return std::unexpected{dry_run.error()};
  auto by = read_by(body);
  if (!by) return std::unexpected{by.error()};
  auto why = read_text(body, "why");
  if (!why) return std::unexpected{why.error()};
  return Asked{dry_run->value_or(false), *std::move(by), (*std::move(why)).value_or("")};
}

/// Makes the change, or only tells what it would mean.
WholeReply apply(const PageSources& sources, const BudgetState& before, BudgetSettings after,
                 Asked asked) {
  after.by = std::move(asked.by);
  after.why = std::move(asked.why);
  if (auto good = account::check_settings(after); !good) return fault_page(good.error());
  ordered_json json;
  json["budget"] = after.budget;
  json["dry_run"] = asked.dry_run;
  json["changes"] = differences(settings_of(before), after);
  json["effects"] = effects(before, after);
  json["warnings"] = warnings_about(sources, after.budget);
  json["keys"] = std::ranges::count_if(sources.ledger.keys(), [&](const auto& key) {
    return !key.revoked && binds(after.budget, key.account);
  });
  if (!asked.dry_run) {
    if (auto done = sources.ledger.set_budget(after); !done) return fault_page(done.error());
  }
  const auto state = find_budget(sources, after.budget);
  json["state"] = state ? to_json(*state) : ordered_json(nullptr);
  return page(json);
}

/// The state of a budget that need not exist yet.
BudgetState state_or_new(const PageSources& sources, const std::string& name) {
  if (auto known = find_budget(sources, name)) return *std::move(known);
  BudgetState fresh;
  fresh.budget = name;
  return fresh;
}

}  // namespace

WholeReply list_budgets_page(const PageSources& sources) {
  ordered_json body;
  body["budgets"] = ordered_json::array();
  for (const auto& budget : sources.ledger.budgets()) body["budgets"].push_back(to_json(budget));
  return page(body);
}

WholeReply show_budget_page(const PageSources& sources, std::string_view wanted) {
  const auto name = canonical_name(sources, wanted);
  if (!name) return fault_page(name.error());
  const auto state = find_budget(sources, *name);
  if (!state) return fault_page(unknown_budget(sources, *name));
  auto json = to_json(*state);
  json["warnings"] = warnings_about(sources, *name);
  json["keys"] = ordered_json::array();
  for (const auto& key : sources.ledger.keys()) {
    if (key.revoked || !binds(*name, key.account)) continue;
    json["keys"].push_back({{"id", key.account.key_id},
                            {"name", key.account.key_name},
                            {"state", state_of(key, sources.clock.now())}});
  }
  const auto history = sources.ledger.budget_history(*name);
  if (!history) return fault_page(history.error());
  json["set"] =
      history->empty() ? ordered_json(nullptr) : ordered_json(to_rfc3339(history->back().at));
  return page(json);
}

WholeReply set_budget_page(const PageSources& sources, const std::string& text) {
  const auto body = parse_body(text);
  if (!body) return fault_page(body.error());
  auto request = read_budget(*body);
  if (!request) return fault_page(request.error());
  auto asked = read_asked(*body);
  if (!asked) return fault_page(asked.error());
  auto& settings = request->settings;
  const auto name = canonical_name(sources, settings.budget);
  if (!name) return fault_page(name.error());
  settings.budget = *name;
  const auto before = state_or_new(sources, *name);
  settings.frozen = request->frozen.value_or(before.frozen);
  if (request->frozen == true && settings.windows.empty())
    settings.windows = settings_of(before).windows;
  return apply(sources, before, settings, *std::move(asked));
}

WholeReply change_budget_page(const PageSources& sources, std::string_view wanted,
                              const std::string& text) {
  const auto body = parse_body(text);
  if (!body) return fault_page(body.error());
  const auto change = read_budget_change(*body);
  if (!change) return fault_page(change.error());
  auto asked = read_asked(*body);
  if (!asked) return fault_page(asked.error());
  const auto name = canonical_name(sources, wanted);
  if (!name) return fault_page(name.error());
  const auto before = state_or_new(sources, *name);
  // Freezing and bounds make a budget; a limit can only be raised where there is one.
  const bool makes_none = change->limit || change->frozen == false;
  if (makes_none && !find_budget(sources, *name)) return fault_page(unknown_budget(sources, *name));
  auto after = changed(settings_of(before), *change);
  if (!after) return fault_page(after.error());
  return apply(sources, before, *std::move(after), *std::move(asked));
}

WholeReply lift_budget_page(const PageSources& sources, std::string_view wanted,
                            const std::string& text) {
  const auto body = parse_body(text);
  if (!body) return fault_page(body.error());
  if (auto good = check_fields(*body, {"by", "why", "dry_run"}); !good)
    return fault_page(good.error());
  auto asked = read_asked(*body);
  if (!asked) return fault_page(asked.error());
  const auto name = canonical_name(sources, wanted);
  if (!name) return fault_page(name.error());
  const auto before = find_budget(sources, *name);
  if (!before) return fault_page(unknown_budget(sources, *name));
  BudgetSettings nothing;
  nothing.budget = *name;
  return apply(sources, *before, std::move(nothing), *std::move(asked));
}

WholeReply budget_history_page(const PageSources& sources, std::string_view wanted) {
  const auto name = canonical_name(sources, wanted);
  if (!name) return fault_page(name.error());
  const auto history = sources.ledger.budget_history(*name);
  if (!history) return fault_page(history.error());
  if (history->empty()) return fault_page(unknown_budget(sources, *name));
  return page({{"budget", *name}, {"history", to_json(*history)}});
}

}  // namespace turnpike::app
