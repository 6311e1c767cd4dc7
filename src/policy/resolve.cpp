#include "policy/resolve.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "policy/wildcard.hpp"

namespace turnpike::policy {
namespace {

bool any_matches(const std::vector<std::string>& patterns, std::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [text](const std::string& pattern) { return wildcard_match(pattern, text); });
}

bool is_wild(const ModelName& entry) { return entry.pattern.find('*') != std::string::npos; }

bool rule_matches(const Rule& rule, const Situation& s) {
  const auto& account = s.account;
  if (!rule.models.empty() && !any_matches(rule.models, s.facts.model)) return false;
  if (!rule.steps.empty() &&
      std::find(rule.steps.begin(), rule.steps.end(), s.facts.step) == rule.steps.end())
    return false;
  if (!rule.keys.empty() && !any_matches(rule.keys, account.key_id) &&
      !any_matches(rule.keys, account.key_name))
    return false;
  return rule.teams.empty() || any_matches(rule.teams, account.team);
}

class Resolver {
 public:
  Resolver(const Policy& policy, const catalog::Catalog& catalog, const Situation& situation)
      : policy_(policy), catalog_(catalog), s_(situation) {}

  Result<Route> run() const {
    if (s_.inputs.override_target || s_.inputs.override_tier) {
      if (!s_.account.may_override_route) return std::unexpected{override_refused()};
      return s_.inputs.override_target ? to_target(*s_.inputs.override_target) : to_tier(*s_.inputs.override_tier);
    }
    if (s_.facts.step == StepKind::permission_check) return protected_route();
    auto named = by_name();
    if (named && std::holds_alternative<ToTarget>(named->to)) return named;
    for (const auto& rule : policy_.rules) {
      const bool knows_name =
          named.has_value() || !rule.models.empty();  // else the name stays unknown
      if (knows_name && rule_matches(rule, s_)) return ruled(rule);
    }
    return named;
  }

 private:
  static Error override_refused() {
    return client_error("route_override_not_allowed",
                        "this key may not choose the route by x-turnpike-model or x-turnpike-tier; "
                        "an operator can permit it",
                        {}, 403);
  }

  Result<Route> to_target(const std::string& name) const {
    const auto* model = catalog_.find(name);
    if (model == nullptr) return std::unexpected{not_found(name)};
    return Route{ToTarget{catalog_.index_of(*model)}, {Reason::model_pinned, "x-turnpike-model"}};
  }

  Result<Route> to_tier(const std::string& name) const {
    if (const auto tier = policy_.tier_named(name))
      return Route{ToTier{*tier}, {Reason::model_mapped, "x-turnpike-tier"}};
    return std::unexpected{
        client_error("tier_not_found",
                     fmt::format("x-turnpike-tier: no tier {}; this policy has: {}",
                                 quoted_for_message(name), fmt::join(policy_.tier_names(), ", ")))};
  }

  /// Safety checks go where the client asked. A name that is no model on sale (an alias of ours,
  /// say) is answered by the strongest tier, so that a check is never made by a weaker model than
  /// the client counts on.
  Result<Route> protected_route() const {
    const auto* model = catalog_.find(s_.facts.model);
    const bool usable = model != nullptr && !catalog_.unusable(*model, s_.now) &&
                        !catalog_.provider_of(*model).key_missing;
    if (usable)
      return Route{ToTarget{catalog_.index_of(*model)}, {Reason::protected_step, model->target()}};
    const auto tier = policy_.hard_tier.value_or(policy_.default_tier);
    return Route{ToTier{tier}, {Reason::protected_step, "tier " + policy_.tiers[tier].name}};
  }

  Result<Route> by_name() const {
    const auto& asked = s_.facts.model;
    const ModelName* wild = nullptr;
    for (const auto& entry :
         policy_.models) {  // plain names come first, wildcards by falling precision
      if (!is_wild(entry) && entry.pattern == asked)
        return act(entry.action, Reason::model_mapped, entry.pattern);
      if (wild == nullptr && is_wild(entry) && wildcard_match(entry.pattern, asked)) wild = &entry;
    }
    const auto* model = catalog_.find(asked);
    const bool full_name = model != nullptr && asked.find('/') != std::string::npos;
    if (full_name && policy_.client_pins_allowed) return pinned(*model);
    if (wild != nullptr) return act(wild->action, Reason::model_mapped, wild->pattern);
    if (full_name)
      return std::unexpected{client_error(
          "model_not_allowed",
          fmt::format("policy \"{}\" lets clients name no target; ask for \"auto\"", policy_.name),
          "model", 403)};
    if (model != nullptr && policy_.known_models_pinned) return pinned(*model);
    if (model != nullptr || policy_.unknown_models_auto)
      return Route{ToAuto{}, {Reason::auto_routed, {}}};
    return std::unexpected{not_found(asked)};
  }

  Result<Route> act(const Action& action, Reason tier_reason, const std::string& detail) const {
    if (std::holds_alternative<ToAuto>(action))
      return Route{ToAuto{}, {Reason::auto_routed, detail}};
    if (const auto* tier = std::get_if<ToTier>(&action)) return Route{*tier, {tier_reason, detail}};
    if (const auto* target = std::get_if<ToTarget>(&action))
      return Route{*target, {Reason::model_pinned, detail}};
    const auto* asked = catalog_.find(s_.facts.model);
    if (asked == nullptr) return std::unexpected{not_found(s_.facts.model)};
    return pinned(*asked);
  }

  Result<Route> ruled(const Rule& rule) const {
    const auto reason = rule.steps.empty() ? Reason::model_mapped : Reason::step_rule;
    return act(rule.action, reason, rule.name);
  }

  Route pinned(const catalog::Model& model) const {
    return {ToTarget{catalog_.index_of(model)}, {Reason::model_pinned, model.target()}};
  }

  Error not_found(std::string_view asked) const {
    auto known = policy_.public_names();
    for (auto& name : catalog_.names()) known.push_back(std::move(name));
    auto message = fmt::format("model {} is not known here{}", quoted_for_message(asked),
                               catalog::nearest_hint(asked, known));
    if (known.size() > 4) known.resize(4);
    message += fmt::format("; try {}", fmt::join(known, ", "));
    return client_error("model_not_found", std::move(message), "model", 404);
  }

  const Policy& policy_;
  const catalog::Catalog& catalog_;
  const Situation& s_;
};

}  // namespace

Result<Route> resolve(const Policy& policy, const catalog::Catalog& catalog,
                      const Situation& situation) {
  return Resolver{policy, catalog, situation}.run();
}

}  // namespace turnpike::policy
