#include "app/key_pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "app/budget_json.hpp"
#include "app/effective_caps.hpp"
#include "app/json_fields.hpp"
#include "app/key_json.hpp"
#include "app/page.hpp"
#include "catalog/fault.hpp"

namespace turnpike::app {
namespace {

using account::KeyInfo;
using nlohmann::ordered_json;

Result<KeyInfo> key_of(const PageSources& sources, std::string_view wanted) {
  return find_key(sources.ledger.keys(), wanted);
}

/// Patterns that reach nothing are most likely misspelt; the key is made nevertheless, because the
/// model may come later.
std::vector<std::string> pattern_warnings(const PageSources& sources,
                                          const std::vector<std::string>& patterns) {
  std::vector<std::string> warnings;
  const auto snapshot = patterns.empty() ? nullptr : sources.planned();
  if (!snapshot) return warnings;
  auto known = snapshot->policy.tier_names();
  for (const auto& model : snapshot->catalog.models()) known.push_back(model.target());
  Account key;
  key.models_allowed = patterns;
  const auto reached = reachable_models(key, *snapshot);
  for (const auto& pattern : reached["unknown"]) {
    const auto text = pattern.get<std::string>();
    warnings.push_back(fmt::format("{} fits no tier and no model of the present configuration{}",
                                   quoted_for_message(text), catalog::nearest_hint(text, known)));
  }
  return warnings;
}

/// An organisation, team or user that no other key has is new, or misspelt.
std::vector<std::string> owner_warnings(const PageSources& sources, const Account& account) {
  std::vector<std::string> warnings;
  std::vector<std::string> orgs;
  for (const auto& key : sources.ledger.keys()) {
    if (!key.revoked && key.account.key_id != account.key_id) orgs.push_back(key.account.org);
  }
  if (orgs.empty() || std::ranges::find(orgs, account.org) != orgs.end()) return warnings;
  if (const auto nearest = catalog::nearest_name(account.org, orgs)) {
    warnings.push_back(
        fmt::format("org {} is new; the nearest that has keys is {}", account.org, *nearest));
  }
  return warnings;
}

/// Whoever lifts a bound may not know of the one behind it.
std::vector<std::string> default_warnings(const KeyDefaults& defaults,
                                          const account::KeyChange& change) {
  std::vector<std::string> warnings;
  const auto look = [&warnings](std::string_view setting, const auto& asked, const auto& fallback) {
    if (!asked || *asked || !fallback) return;
    warnings.push_back(fmt::format(
        "without a bound of its own the key has that of [limits.key]: {} = {}; to lift that for "
        "this key, give it a larger one",
        setting, *fallback));
  };
  look("concurrency", change.concurrency_max, defaults.concurrency);
  look("requests_per_minute", change.requests_per_minute, defaults.requests_per_minute);
  look("tokens_per_minute", change.tokens_per_minute, defaults.tokens_per_minute);
  return warnings;
}

Result<account::BudgetSettings> own_budget(const ordered_json& body, const std::string& by) {
  account::BudgetSettings settings;
  settings.budget = "key:new";
  settings.by = by;
  auto windows = read_windows(body);
  if (!windows) return std::unexpected{windows.error()};
  settings.windows = *std::move(windows);
  if (auto good = account::check_settings(settings); !good) return std::unexpected{good.error()};
  return settings;
}

WholeReply changed_page(const PageSources& sources, const KeyInfo& before,
                        const account::KeyChange& change) {
  const auto after = key_of(sources, before.account.key_id);
  if (!after) return fault_page(after.error());
  auto json = to_json(*after, sources.clock.now());
  json["changes"] = differences(before, *after);
  auto warnings = owner_warnings(sources, after->account);
  if (before.account.org == after->account.org) warnings.clear();
  if (before.account.models_allowed != after->account.models_allowed) {
    const auto patterns = pattern_warnings(sources, after->account.models_allowed);
    warnings.insert(warnings.end(), patterns.begin(), patterns.end());
  }
  for (auto& text : default_warnings(sources.key_defaults, change))
    warnings.push_back(std::move(text));
  json["warnings"] = warnings;
  json["caps"] =
      effective_caps(*after, sources.ledger.budgets(), sources.clock.now(), sources.key_defaults);
  return page(json);
}

}  // namespace

WholeReply list_keys_page(const PageSources& sources, std::string_view query) {
  const auto all = query_field(query, "all").value_or("0");
  const bool revoked_too = all == "1" || all == "true";
  ordered_json body;
  body["keys"] = ordered_json::array();
  for (const auto& key : sources.ledger.keys()) {
    if (!key.revoked || revoked_too) body["keys"].push_back(to_json(key, sources.clock.now()));
  }
  return page(body);
}

WholeReply create_key_page(const PageSources& sources, const std::string& text) {
  const auto body = parse_body(text);
  if (!body) return fault_page(body.error());
  const auto wanted = read_new_key(*body);
  if (!wanted) return fault_page(wanted.error());
  if (wanted->expires && *wanted->expires <= sources.clock.now())
    return fault_page(bad_field("expires", "is in the past"));
  // A wrong limit is found before the key exists: its secret would be lost with the error.
  auto budget = own_budget(*body, wanted->by);
  if (!budget) return fault_page(budget.error());
  const auto created = sources.ledger.create_key(*wanted);
  if (!created) return fault_page(created.error());
  if (!budget->windows.empty()) {
    budget->budget = "key:" + created->id;
    if (auto set = sources.ledger.set_budget(*budget); !set) {
      // Without its limit the key must not be used.
      if (auto revoked = sources.ledger.revoke_key(created->id, wanted->by); !revoked)
        return fault_page(revoked.error());
      return fault_page(set.error());
    }
  }
  ordered_json json{{"id", created->id}, {"key", created->key.reveal()}};
  Account account;
  account.key_id = created->id;
  account.org = wanted->org;
  auto warnings = owner_warnings(sources, account);
  const auto patterns = pattern_warnings(sources, wanted->models_allowed);
  warnings.insert(warnings.end(), patterns.begin(), patterns.end());
  json["warnings"] = warnings;
  return page(json, 201);
}

WholeReply show_key_page(const PageSources& sources, std::string_view wanted) {
  const auto key = key_of(sources, wanted);
  if (!key) return fault_page(key.error());
  auto json = to_json(*key, sources.clock.now());
  json["caps"] =
      effective_caps(*key, sources.ledger.budgets(), sources.clock.now(), sources.key_defaults);
  const auto snapshot = sources.planned();
  json["models"] = snapshot ? reachable_models(key->account, *snapshot) : ordered_json(nullptr);
  return page(json);
}

WholeReply change_key_page(const PageSources& sources, std::string_view wanted,
                           const std::string& text) {
  const auto body = parse_body(text);
  if (!body) return fault_page(body.error());
  const auto change = read_key_change(*body);
  if (!change) return fault_page(change.error());
  const auto by = read_by(*body);
  if (!by) return fault_page(by.error());
  const auto key = key_of(sources, wanted);
  if (!key) return fault_page(key.error());
  if (auto done = sources.ledger.change_key(key->account.key_id, *change, *by); !done)
    return fault_page(done.error());
  return changed_page(sources, *key, *change);
}

WholeReply rotate_key_page(const PageSources& sources, std::string_view wanted,
                           const std::string& text) {
  constexpr std::int64_t grace_max = 366 * 86'400;
  const auto body = parse_body(text);
  if (!body) return fault_page(body.error());
  if (auto good = check_fields(*body, {"grace_s", "by"}); !good) return fault_page(good.error());
  const auto grace = body->value("grace_s", ordered_json(0));
  if (!grace.is_number_integer() || grace < 0 || grace > grace_max) {
    return fault_page(bad_field("grace_s", "is a whole number of seconds, at most a year"));
  }
  const auto by = read_by(*body);
  if (!by) return fault_page(by.error());
  const auto key = key_of(sources, wanted);
  if (!key) return fault_page(key.error());
  const auto rotated = sources.ledger.rotate_key(
      key->account.key_id, std::chrono::seconds{grace.get<std::int64_t>()}, *by);
  if (!rotated) return fault_page(rotated.error());
  const auto after = key_of(sources, rotated->id);
  if (!after) return fault_page(after.error());
  return page({{"id", rotated->id},
               {"key", rotated->key.reveal()},
               {"old_secret_until", json_of(after->previous_until)}});
}

WholeReply revoke_key_page(const PageSources& sources, std::string_view wanted,
                           const std::string& text) {
  const auto body = parse_body(text);
  if (!body) return fault_page(body.error());
  if (auto good = check_fields(*body, {"by"}); !good) return fault_page(good.error());
  const auto by = read_by(*body);
  if (!by) return fault_page(by.error());
  const auto key = key_of(sources, wanted);
  if (!key) return fault_page(key.error());
  if (auto revoked = sources.ledger.revoke_key(key->account.key_id, *by); !revoked)
    return fault_page(revoked.error());
  return page({{"revoked", key->account.key_id},
               {"name", key->account.key_name},
               {"already", key->revoked.has_value()}});
}

WholeReply key_history_page(const PageSources& sources, std::string_view wanted) {
  const auto key = key_of(sources, wanted);
  if (!key) return fault_page(key.error());
  const auto history = sources.ledger.key_history(key->account.key_id);
  if (!history) return fault_page(history.error());
  return page({{"id", key->account.key_id},
               {"name", key->account.key_name},
               {"history", to_json(*history)}});
}

}  // namespace turnpike::app
