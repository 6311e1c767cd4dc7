#include "app/effective_caps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "app/budget_json.hpp"
#include "app/budget_name.hpp"
#include "app/json_fields.hpp"
#include "app/key_json.hpp"
#include "app/window_text.hpp"
#include "policy/candidates.hpp"
#include "policy/wildcard.hpp"

namespace turnpike::app {
namespace {

using account::BudgetState;
using account::KeyInfo;
using account::WindowState;
using nlohmann::ordered_json;

Credits room_of(const WindowState& window) {
  return std::max(Credits{}, window.rule.limit - used_in(window));
}

/// The least of several bounds, and whose it is.
template <typename Value>
class Least {
 public:
  /// The key's own bound or, only if it has none, the default's.
  void take_own(const std::optional<Value>& own, const std::optional<Value>& fallback) {
    take(own ? own : fallback, own ? "key" : "[limits.key]");
  }
  void take(const std::optional<Value>& bound, std::string_view of) {
    if (!bound || (bound_ && *bound_ <= *bound)) return;
    bound_ = bound;
    of_ = of;
  }
  [[nodiscard]] ordered_json json() const {
    if (!bound_) return nullptr;
    return {{"max", json_of(bound_)}, {"of", of_}};
  }

 private:
  std::optional<Value> bound_;
  std::string of_;
};

/// Widest scope first, as scopes_of() lists them; within one, the budget of all its requests first.
std::vector<const BudgetState*> on_path(const Account& key,
                                        const std::vector<BudgetState>& budgets) {
  std::vector<const BudgetState*> found;
  for (const auto& scope : scopes_of(key)) {
    const auto first = static_cast<std::ptrdiff_t>(found.size());
    for (const auto& budget : budgets) {
      if (split_budget_name(budget.budget).scope == scope) found.push_back(&budget);
    }
    std::sort(found.begin() + first, found.end(),
              [](const auto* a, const auto* b) { return a->budget < b->budget; });
  }
  return found;
}

/// What keeps every request of the key out; empty if nothing does.
std::string refusal(const KeyInfo& key, const std::vector<const BudgetState*>& path, Instant now) {
  if (const auto state = state_of(key, now); state != "active")
    return fmt::format("the key is {}", state);
  for (const auto* budget : path) {
    if (!split_budget_name(budget->budget).filter.empty()) continue;
    if (budget->frozen) return fmt::format("budget {} is frozen", budget->budget);
    for (const auto& window : budget->windows) {
      if (settled_in(window) >= window.rule.limit)
        return fmt::format("budget {} is spent for {}", budget->budget, span_text(window.rule));
    }
  }
  return {};
}

ordered_json tightest(const std::vector<const BudgetState*>& path) {
  const WindowState* least = nullptr;
  const BudgetState* owner = nullptr;
  for (const auto* budget : path) {
    if (!split_budget_name(budget->budget).filter.empty()) continue;
    for (const auto& window : budget->windows) {
      if (least != nullptr && room_of(*least) <= room_of(window)) continue;
      least = &window;
      owner = budget;
    }
  }
  if (least == nullptr) return nullptr;
  return {{"budget", owner->budget},
          {"window", span_text(least->rule)},
          {"room", turnpike::to_string(room_of(*least))},
          {"room_nano", room_of(*least).nano()},
          {"reset", json_of(least->end)}};
}

}  // namespace

ordered_json effective_caps(const KeyInfo& key, const std::vector<BudgetState>& budgets,
                            Instant now, const KeyDefaults& defaults) {
  const auto path = on_path(key.account, budgets);
  Least<Credits> request_cost;
  Least<Credits> conversation;
  Least<std::int32_t> concurrency;
  Least<std::int32_t> requests;
  Least<std::int32_t> tokens;
  request_cost.take(key.account.request_cost_max, "key");
  concurrency.take_own(key.account.concurrency_max, defaults.concurrency);
  requests.take_own(key.account.requests_per_minute, defaults.requests_per_minute);
  tokens.take_own(key.account.tokens_per_minute, defaults.tokens_per_minute);
  ordered_json caps;
  caps["budgets"] = ordered_json::array();
  for (const auto* budget : path) {
    auto json = to_json(*budget);
    const auto filter = split_budget_name(budget->budget).filter;
    json["filter"] = filter.empty() ? ordered_json(nullptr) : ordered_json(filter);
    caps["budgets"].push_back(std::move(json));
    if (!filter.empty()) continue;
    request_cost.take(budget->request_cost_max, budget->budget);
    conversation.take(budget->conversation_max, budget->budget);
    concurrency.take(budget->concurrency_max, budget->budget);
  }
  caps["tightest"] = tightest(path);
  caps["room"] = caps["tightest"].is_null() ? ordered_json(nullptr) : caps["tightest"]["room"];
  caps["request_cost_max"] = request_cost.json();
  caps["conversation_max"] = conversation.json();
  caps["concurrency_max"] = concurrency.json();
  caps["requests_per_minute"] = requests.json();
  caps["tokens_per_minute"] = tokens.json();
  const auto because = refusal(key, path, now);
  caps["admits"] = because.empty();
  caps["because"] = because.empty() ? ordered_json(nullptr) : ordered_json(because);
  return caps;
}

ordered_json reachable_models(const Account& key, const gateway::Snapshot& snapshot) {
  const auto& policy = snapshot.policy;
  const auto& patterns = key.models_allowed;
  ordered_json json;
  json["policy"] = policy.name;
  json["all"] = patterns.empty();
  json["tiers"] = ordered_json::array();
  for (const auto& tier : policy.tiers) {
    auto targets = ordered_json::array();
    for (const auto& target : tier.targets) {
      if (policy::key_allows(key, target.name, tier.name)) targets.push_back(target.name);
    }
    json["tiers"].push_back({{"tier", tier.name}, {"targets", std::move(targets)}});
  }
  json["pins"] = ordered_json::array();
  for (const auto& model : snapshot.catalog.models()) {
    if (!policy.client_pins_allowed) break;
    const auto owner = policy.tier_of(snapshot.catalog.index_of(model));
    const auto tier = owner ? policy.tiers[*owner].name : std::string{};
    if (policy::key_allows(key, model.target(), tier)) json["pins"].push_back(model.target());
  }
  json["unknown"] = ordered_json::array();
  for (const auto& pattern : patterns) {
    const auto fits = [&](std::string_view name) { return policy::wildcard_match(pattern, name); };
    const bool known =
        std::ranges::any_of(policy.tiers, [&](const auto& tier) { return fits(tier.name); }) ||
        std::ranges::any_of(snapshot.catalog.models(),
                            [&](const auto& model) { return fits(model.target()); });
    if (!known) json["unknown"].push_back(pattern);
  }
  return json;
}

}  // namespace turnpike::app
