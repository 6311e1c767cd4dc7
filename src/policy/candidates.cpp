#include "policy/candidates.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "policy/tier_order.hpp"
#include "policy/wildcard.hpp"
#include "turnpike/server_tools.hpp"

namespace turnpike::policy {
namespace {

using catalog::Model;

/// Why a target was left out, ranked: the error of an empty list speaks of the highest that
/// occurred.
enum class Lack : std::uint8_t {
  none,
  state,  // lowest: where the keeper of the state itself lacks something, that is what to say
  unpriced,
  key_missing,
  unpriced_tool,
  budget,
  not_allowed,
  context,
  capability
};

struct Verdict {
  Lack lack = Lack::none;
  std::string detail;
};

/// What the request needs and the model cannot, as words; log probabilities are left out, since
/// translation may drop them and say so, while everything here changes what the answer is.
std::string lacking(const Needs& needs, const Needs& can) {
  static constexpr std::array<std::pair<std::string_view, bool Needs::*>, 8> words{
      {{"tools", &Needs::tools},
       {"parallel_tools", &Needs::parallel_tools},
       {"vision", &Needs::vision},
       {"documents", &Needs::documents},
       {"audio", &Needs::audio},
       {"json_schema", &Needs::json_schema},
       {"reasoning", &Needs::reasoning},
       {"choices", &Needs::many_choices}}};
  std::string missing;
  for (const auto& [word, member] : words) {
    if (!(needs.*member) || can.*member) continue;
    if (!missing.empty()) missing += ", ";
    missing += word;
  }
  return missing;
}

/// Three bytes a token is dense text: an estimate somewhat too high sends a long prompt to the
/// larger window.
std::int64_t context_estimate(const RequestFacts& facts, const Model& model) {
  constexpr std::int64_t answer_tokens = 4096;
  const auto answer = std::min(facts.output_tokens_max.value_or(answer_tokens), answer_tokens);
  return facts.text_bytes / 3 + 16 * std::int64_t{facts.messages} +
         facts.images * model.tokens_per_image_max + answer;
}

class Finder {
 public:
  Finder(const Policy& policy, const catalog::Catalog& catalog, const Situation& situation,
         std::vector<Why>& why)
      : policy_(policy),
        catalog_(catalog),
        s_(situation),
        why_(why),
        keeper_(situation.inputs.required_provider.value_or("")),
        protected_(situation.facts.step == StepKind::permission_check),
        budget_counts_(!protected_) {}

  Result<std::vector<Candidate>> of_tier(TierIndex index, const std::string& keep) {
    const auto& tier = policy_.tiers[index];
    take(tier.targets);
    // A safety check is made by the tier's own models, in the order written, or not at all.
    if (found_.size() > 1 && !protected_)
      put_in_order(policy_, tier, CostOutlook{policy_, catalog_, s_}, s_, keep, found_, why_);
    const auto own = found_.size();
    if (!protected_) take(tier.fallback);
    if (found_.size() > own) why_.push_back({Reason::fallback, names_from(own)});
    if (found_.empty() && !protected_) take_others(index);
    if (found_.empty()) return std::unexpected{nothing_left()};
    demote_unhealthy();
    if (found_.size() > candidates_max) found_.resize(candidates_max);
    return candidates();
  }

  Result<std::vector<Candidate>> of_pin(ModelIndex index) {
    const auto& model = catalog_.models()[index];
    const auto owner = policy_.tier_of(index);
    const Target target{index, model.target(), owner.value_or(0), 1};
    if (const auto wrong = catalog_.unusable(model, s_.now)) return std::unexpected{*wrong};
    budget_counts_ = budget_counts_ && !policy_.pressure.cheap_only_pins;
    take_one(target, owner ? policy_.tiers[*owner].name : pin_tier);
    if (found_.empty()) return std::unexpected{nothing_left()};
    return candidates();
  }

  std::optional<Pick> first_of(TierIndex index) {
    const auto& tier = policy_.tiers[index];
    for (const auto& target : tier.targets) {
      if (judge(target, tier.name).lack == Lack::none)
        found_.push_back({&target, &catalog_.models()[target.model], &tier.name});
    }
    if (found_.size() > 1)
      put_in_order(policy_, tier, CostOutlook{policy_, catalog_, s_}, s_, {}, found_, why_);
    demote_unhealthy();
    return found_.empty() ? std::nullopt : std::optional{found_.front()};
  }

 private:
  static inline const std::string pin_tier{"pin"};  // tier of a target that no tier lists

  void take(const std::vector<Target>& targets) {
    for (const auto& target : targets) take_one(target, policy_.tiers[target.tier].name);
  }

  void take_one(const Target& target, const std::string& tier) {
    const auto* model = &catalog_.models()[target.model];
    if (std::any_of(found_.begin(), found_.end(), [&](const Pick& p) { return p.model == model; }))
      return;
    auto verdict = judge(target, tier);
    if (verdict.lack == Lack::none) {
      found_.push_back({&target, model, &tier});
      return;
    }
    worst_ = std::max(worst_, verdict.lack);
    if (verdict.lack == worst_) worst_detail_ = verdict.detail;
    why_.push_back({reason_of(verdict.lack), std::move(verdict.detail)});
  }

  /// What is left of the list, with everything that translating and paying need.
  std::vector<Candidate> candidates() const {
    std::vector<Candidate> list;
    list.reserve(found_.size());
    for (const auto& pick : found_) {
      const auto horizon = catalog_.provider_of(*pick.model).price_horizon(policy_.price_horizon);
      auto candidate = catalog_.candidate(*pick.model, s_.now, horizon, s_.facts.dialect);
      if (!candidate) continue;  // judge() has asked for the price at the same instant
      candidate->tier = *pick.tier;
      list.push_back(std::move(*candidate));
    }
    return list;
  }

  Verdict judge(const Target& target, const std::string& tier) {
    const auto& model = catalog_.models()[target.model];
    if (!keeps_state(model))
      return {Lack::state, fmt::format("{}: the response is kept by {}", target.name, keeper_)};
    if (!allowed(target.name, tier)) return {Lack::not_allowed, target.name};
    if (const auto wrong = catalog_.unusable(model, s_.now))
      return {Lack::unpriced, wrong->message};
    if (auto tool = unpriced_tool(model); !tool.empty())
      return {Lack::unpriced_tool, fmt::format("{}: no price for {}", target.name, tool)};
    const auto& provider = catalog_.provider_of(model);
    if (provider.key_missing)
      return {Lack::key_missing, fmt::format("{}: no key in {}", target.name, provider.key_env)};
    const bool frontier = tier != pin_tier && policy_.tiers[target.tier].frontier;
    if (budget_counts_ && frontier && s_.allowance.pressure == Pressure::cheap_only)
      return {Lack::budget,
              fmt::format("{}: {} is at cheap_only", target.name, s_.allowance.pressure_scope)};
    for (const auto& tag : policy_.data_tags) {
      if (std::find(model.data_tags.begin(), model.data_tags.end(), tag) == model.data_tags.end())
        return {Lack::capability, fmt::format("{}: data tag {}", target.name, tag)};
    }
    if (auto missing = lacking(s_.facts.needs, model.can); !missing.empty())
      return {Lack::capability, fmt::format("{}: {}", target.name, missing)};
    const auto tokens = context_estimate(s_.facts, model);
    if (tokens > model.context_tokens)
      return {Lack::context, fmt::format("{}: about {} tokens, window {}", target.name, tokens,
                                         model.context_tokens)};
    return {};
  }

  /// A tool that the provider would run for this request and bill at a price that the catalog does
  /// not have. In other dialects than the client's it is not declared to the provider at all.
  std::string unpriced_tool(const Model& model) const {
    const auto& facts = s_.facts;
    const auto& served = model.dialects;
    if (facts.step == StepKind::token_count) return {};  // nothing is run
    if (std::find(served.begin(), served.end(), facts.dialect) == served.end()) return {};
    const auto passed = server_tools_passed(facts, facts.dialect, model.thinking);
    if (passed == ServerToolsPassed::all && !facts.unpriced_tool.empty())
      return facts.unpriced_tool;
    if (facts.server_calls == PerServerTool{}) return {};
    const auto price = catalog::price_at(model.prices, s_.now);
    for (std::size_t i = 0; price && i < server_tools; ++i) {
      const auto tool = static_cast<ServerTool>(i);
      if (passed == ServerToolsPassed::web_search && tool != ServerTool::web_search) continue;
      if (facts.server_calls[i] > 0 && !price->rates->prices(tool))
        return std::string{to_string(tool)};
    }
    return {};
  }

  /// True for all, unless the request continues a stored response.
  bool keeps_state(const Model& model) const {
    if (keeper_.empty()) return true;
    const auto& served = model.dialects;
    return model.provider == keeper_ &&
           std::find(served.begin(), served.end(), s_.facts.dialect) != served.end();
  }

  bool allowed(std::string_view target, std::string_view tier) const {
    return key_allows(s_.account, target, tier == pin_tier ? std::string_view{} : tier);
  }

  static Reason reason_of(Lack lack) {
    switch (lack) {
      case Lack::state:
        return Reason::pinned_by_state;
      case Lack::budget:
        return Reason::budget_pressure;
      case Lack::not_allowed:
        return Reason::key_not_allowed;
      case Lack::context:
        return Reason::context_dropped;
      case Lack::capability:
        return Reason::capability_dropped;
      case Lack::none:
      case Lack::unpriced:
      case Lack::unpriced_tool:
      case Lack::key_missing:
        return Reason::unpriced_dropped;
    }
    return Reason::unpriced_dropped;
  }

  /// A capability that only another tier has is worth more than the tier.
  void take_others(TierIndex except) {
    for (TierIndex i = 0; i < policy_.tiers.size(); ++i) {
      if (i != except) take(policy_.tiers[i].targets);
    }
    if (!found_.empty()) why_.push_back({Reason::fallback, names_from(0)});
  }

  // Ejected targets stay on the list: if all are, the caller tries the first all the same.
  void demote_unhealthy() {
    if (s_.inputs.health.all_ok()) return;
    const auto level = [this](const Pick& pick) { return s_.inputs.health.of(pick.target->name); };
    std::vector<Pick> sorted;
    sorted.reserve(found_.size());
    for (const auto wanted : {Health::ok, Health::degraded, Health::ejected}) {
      for (const auto& pick : found_) {
        if (level(pick) != wanted) continue;
        sorted.push_back(pick);
        if (wanted != Health::ok) why_.push_back({Reason::unhealthy_demoted, pick.target->name});
      }
    }
    found_ = std::move(sorted);
  }

  std::string names_from(std::size_t first) const {
    std::string names;
    for (std::size_t i = first; i < found_.size(); ++i) {
      if (i > first) names += ", ";
      names += found_[i].target->name;
    }
    return names;
  }

  Error nothing_left() const {
    switch (worst_) {
      case Lack::capability:
        return client_error(
            "unsupported_capability",
            fmt::format("no allowed model can serve this request; {}", worst_detail_));
      case Lack::context:
        return client_error(
            "context_length_exceeded",
            fmt::format("the prompt is too long for every allowed model; {}", worst_detail_));
      case Lack::not_allowed:
        return client_error("model_not_allowed",
                            fmt::format("this key may not use {}", worst_detail_), "model", 403);
      case Lack::budget:
        return client_error("budget_exhausted",
                            fmt::format("only frontier models could answer; {}", worst_detail_), {},
                            402);
      case Lack::key_missing:
        return gateway_error(
            503, "provider_key_missing",
            fmt::format("no provider is configured for this request; {}", worst_detail_));
      case Lack::unpriced_tool:
        return client_error("no_price",
                            fmt::format("no allowed model has a price for a tool that its provider "
                                        "would run for this request; {}",
                                        worst_detail_),
                            "tools");
      case Lack::state:
        return client_error("unsupported_parameter",
                            fmt::format("the response named by previous_response_id is kept by {}, "
                                        "and no model of that provider may answer here; send the "
                                        "whole conversation as input",
                                        keeper_),
                            "previous_response_id");
      case Lack::none:
      case Lack::unpriced:
        break;
    }
    return gateway_error(
        503, "no_model_available",
        fmt::format("no model of policy \"{}\" is on sale; {}", policy_.name, worst_detail_));
  }

  const Policy& policy_;
  const catalog::Catalog& catalog_;
  const Situation& s_;
  std::vector<Why>& why_;
  std::string keeper_;  // provider that keeps the response this request continues; mostly empty
  bool protected_;
  bool budget_counts_;  // safety checks and, if the policy says so, pins are not held back by a
                        // thin budget
  std::vector<Pick> found_;
  Lack worst_ = Lack::none;
  std::string worst_detail_;
};

}  // namespace

bool key_allows(const Account& key, std::string_view target, std::string_view tier) {
  const auto& patterns = key.models_allowed;
  if (patterns.empty()) return true;
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return wildcard_match(pattern, target) || (!tier.empty() && wildcard_match(pattern, tier));
  });
}

Result<std::vector<Candidate>> candidates_of(const Policy& policy, const catalog::Catalog& catalog,
                                             const Situation& situation, TierIndex tier,
                                             const std::string& keep, std::vector<Why>& why) {
  return Finder{policy, catalog, situation, why}.of_tier(tier, keep);
}

std::optional<Pick> first_able(const Policy& policy, const catalog::Catalog& catalog,
                               const Situation& situation, TierIndex tier) {
  std::vector<Why> unheard;
  return Finder{policy, catalog, situation, unheard}.first_of(tier);
}

Result<std::vector<Candidate>> pinned_candidate(const Policy& policy,
                                                const catalog::Catalog& catalog,
                                                const Situation& situation, ModelIndex model,
                                                std::vector<Why>& why) {
  return Finder{policy, catalog, situation, why}.of_pin(model);
}

}  // namespace turnpike::policy
