#include "app/explanation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "app/course.hpp"
#include "app/explanation_words.hpp"
#include "app/replay.hpp"

namespace turnpike::app {
namespace {

/// Prompt and output of the step: as billed, else as one guesses before.
struct Size {
  std::int64_t prompt = 0;
  std::int64_t output = 0;
  PerServerTool items{};
  std::string target;  // whose tokens these are; empty: nobody's, a guess
};

float tokens_per_byte(const RouteInputs& inputs, std::string_view target) {
  const auto found = std::ranges::find(inputs.paces, target, &TargetPace::target);
  return found == inputs.paces.end() ? 0 : found->tokens_per_byte;
}

Size expected_size(const Exchange& exchange, const std::string& target) {
  constexpr float usual_tokens_per_byte = 0.25F;
  constexpr std::int64_t usual_output = 600;  // about the median of an agent's step
  const float measured = tokens_per_byte(exchange.inputs, target);
  Size size;
  size.prompt = std::llround(static_cast<double>(exchange.facts.text_bytes) * (measured > 0 ? measured : usual_tokens_per_byte)) + 1;
  size.output = exchange.inputs.output_tokens > 0 ? std::llround(exchange.inputs.output_tokens) : usual_output;
  size.output = std::min(size.output, exchange.facts.output_tokens_max.value_or(size.output));
  return size;
}

/// The served attempt's tokens as this target would have counted them.
Size used_size(const Exchange& exchange, const Attempt& served, const std::string& target) {
  const float here = tokens_per_byte(exchange.inputs, target);
  const float there = tokens_per_byte(exchange.inputs, served.target);
  const double ratio = here > 0 && there > 0 ? double{here} / double{there} : 1;
  Size size;
  size.prompt = std::llround(static_cast<double>(served.usage.input()) * ratio);
  size.output = served.usage.output();
  size.items = served.usage.items;
  return size;
}

std::int64_t cached_at(const RouteInputs& inputs, const std::string& target) {
  const auto warm = std::ranges::find(inputs.warm, target, &Warmth::target);
  if (warm != inputs.warm.end()) return std::llround(static_cast<double>(warm->cached_tokens) * double{warm->alive});
  return inputs.stay && inputs.stay->target == target ? inputs.stay->cached_tokens : 0;
}

std::optional<Credits> cost_of(const PriceQuote& quote, const Size& size, std::int64_t cached, bool hour_cache) {
  Usage usage;
  usage.input_cache_read = std::min(cached, size.prompt);
  const auto rest = size.prompt - usage.input_cache_read;
  const auto& rates = quote.rates_for(size.prompt);
  const bool written = rates.cache_write_5m != rates.input;
  (!written ? usage.input_fresh : hour_cache ? usage.input_cache_write_1h : usage.input_cache_write_5m) = rest;
  usage.output_text = size.output;
  usage.items = size.items;
  const auto cost = charge(quote, usage);
  if (!cost) return std::nullopt;
  return *cost;
}

Choice choice_of(const Exchange& exchange, const Candidate& candidate) {
  Choice choice;
  choice.target = candidate.target();
  choice.tier = candidate.tier;
  choice.price_id = candidate.quote.price_id;
  choice.cached = cached_at(exchange.inputs, choice.target);
  choice.expected = cost_of(candidate.quote, expected_size(exchange, choice.target), choice.cached, exchange.facts.hour_cache);
  const auto* served = served_attempt(exchange);
  if (served == nullptr || served->usage.input() + served->usage.output() == 0) return choice;
  choice.as_used = served->target == choice.target
                       ? served->cost
                       : cost_of(candidate.quote, used_size(exchange, *served, choice.target), choice.cached, exchange.facts.hour_cache);
  return choice;
}

/// Why the decision left the target out, in its own words.
std::string left_out_because(const RouteDecision& decision, const std::string& target) {
  for (const auto& why : decision.why) {
    const bool dropped = why.reason == Reason::capability_dropped || why.reason == Reason::context_dropped || why.reason == Reason::unpriced_dropped ||
                         why.reason == Reason::key_not_allowed || why.reason == Reason::pinned_by_state || why.reason == Reason::budget_pressure;
    if (dropped && why.detail.starts_with(target)) return fmt::format("{}{}", to_string(why.reason), why.detail.substr(target.size()));
  }
  return "of another tier";
}

void add_others(const Exchange& exchange, const gateway::Snapshot& rules, std::vector<Choice>& choices) {
  for (const auto& tier : rules.policy.tiers) {
    for (const auto& target : tier.targets) {
      if (std::ranges::find(choices, target.name, &Choice::target) != choices.end()) continue;
      const auto& model = rules.catalog.models()[target.model];
      auto candidate = rules.catalog.candidate(model, exchange.at, rules.policy.price_horizon, exchange.facts.dialect);
      if (!candidate) {
        choices.push_back({.target = target.name, .tier = tier.name, .why_not = candidate.error().message});
        continue;
      }
      candidate->tier = tier.name;
      auto choice = choice_of(exchange, *candidate);
      choice.why_not = left_out_because(exchange.decision, target.name);
      choices.push_back(std::move(choice));
    }
  }
}

std::vector<Choice> choices_of(const Exchange& exchange, const gateway::Snapshot* rules) {
  std::vector<Choice> choices;
  for (const auto& candidate : exchange.decision.candidates) {
    auto choice = choice_of(exchange, candidate);
    choice.place = static_cast<int>(choices.size()) + 1;
    const auto tried = std::ranges::find(exchange.attempts, choice.target, &Attempt::target);
    if (tried != exchange.attempts.end() && !tried->error_code.empty()) choice.why_not = "tried: " + tried->error_code;
    choices.push_back(std::move(choice));
  }
  if (rules != nullptr) add_others(exchange, *rules, choices);
  return choices;
}

/// Takes the decision again with one thing changed.
class Asking {
 public:
  Asking(const Exchange& exchange, const gateway::Snapshot& rules, std::vector<WhatIf>& answers)
      : exchange_(exchange), rules_(rules), answers_(answers) {}

  template <typename Change>
  void ask(std::string change, const Change& apply) {
    Exchange other;
    other.at = exchange_.at;
    other.account = exchange_.account;
    other.facts = exchange_.facts;
    other.difficulty = exchange_.difficulty;
    other.allowance = exchange_.allowance;
    other.inputs = exchange_.inputs;
    apply(other);
    WhatIf answer{.change = std::move(change)};
    const auto decision = decide_again(rules_, other, other.inputs);
    if (decision) {
      answer.target = decision->candidates.front().target();
      answer.tier = decision->tier;
      answer.moved = exchange_.decision.candidates.empty() || answer.target != exchange_.decision.candidates.front().target();
    } else {
      answer.refusal = decision.error().message;
      answer.moved = true;
    }
    answers_.push_back(std::move(answer));
  }

 private:
  const Exchange& exchange_;
  const gateway::Snapshot& rules_;
  std::vector<WhatIf>& answers_;
};

void ask_about_difficulty(const Exchange& exchange, Asking& asking) {
  const float threshold = exchange.decision.threshold;
  const float score = exchange.difficulty.score;
  // The percentile belongs to the score that was found; where another one stands among the recent is not recorded.
  const auto scored = [](float other_score) {
    return [other_score](Exchange& other) {
      other.difficulty.score = other_score;
      other.difficulty.percentile = -1;
      other.difficulty.abstained = false;
    };
  };
  if (exchange.difficulty.abstained)
    asking.ask("the classifier had been sure of its score", [](Exchange& other) { other.difficulty.abstained = false; });
  if (score < threshold && threshold <= 1)
    asking.ask(fmt::format("the score had been {:.3f}, {:.3f} higher", threshold, threshold - score), scored(threshold));
  if (score >= threshold && threshold > 0)
    asking.ask(fmt::format("the score had been below {:.3f}, {:.3f} lower", threshold, score - threshold), scored(std::nextafter(threshold, 0.0F)));
}

void ask_about_budget(const Exchange& exchange, Asking& asking) {
  const auto at = [&](Pressure pressure) {
    return [pressure](Exchange& other) {
      other.allowance.pressure = pressure;
      if (other.allowance.pressure_scope.empty()) other.allowance.pressure_scope = "a budget";
    };
  };
  if (exchange.allowance.pressure != Pressure::none) asking.ask("no budget had been thin", at(Pressure::none));
  if (exchange.allowance.pressure < Pressure::prefer_cheap) asking.ask("a budget had been at prefer_cheap", at(Pressure::prefer_cheap));
  if (exchange.allowance.pressure < Pressure::cheap_only) asking.ask("a budget had been at cheap_only", at(Pressure::cheap_only));
}

void ask_about_the_conversation(const Exchange& exchange, const policy::Policy& policy, Asking& asking) {
  if (exchange.inputs.stay)
    asking.ask("it had been a new conversation, without a model that answered before", [](Exchange& other) {
      other.inputs.stay.reset();
      other.inputs.warm.clear();
    });
  if (exchange.inputs.stay && !exchange.inputs.warm.empty())
    asking.ask("no provider's cache had held the prompt", [](Exchange& other) {
      other.inputs.warm.clear();
      other.inputs.stay->cached_tokens = 0;
    });
  const auto streak = policy.escalation.error_streak;
  if (exchange.facts.in_tool_loop && streak > 0 && exchange.facts.trace.error_streak < streak)
    asking.ask(fmt::format("the last {} tool results had failed", streak), [&](Exchange& other) {
      other.facts.trace.error_streak = streak;
      other.facts.trace.errors_recent = std::max(other.facts.trace.errors_recent, streak);
    });
  if (!exchange.inputs.escalation_allowed)
    asking.ask("the frontier share had not been overdrawn", [](Exchange& other) { other.inputs.escalation_allowed = true; });
}

void ask_about_the_rest(const Exchange& exchange, Asking& asking) {
  if (!exchange.inputs.health.all_ok())
    asking.ask("every target had been healthy", [](Exchange& other) { other.inputs.health = {}; });
  if (exchange.inputs.override_target || exchange.inputs.override_tier)
    asking.ask("the client had not sent an x-turnpike header", [](Exchange& other) {
      other.inputs.override_target.reset();
      other.inputs.override_tier.reset();
    });
  if (exchange.account && !exchange.account->models_allowed.empty())
    asking.ask("the key had no list of models", [](Exchange& other) {
      auto free = *other.account;
      free.models_allowed.clear();
      other.account = std::make_shared<const Account>(std::move(free));
    });
}

}  // namespace

Explanation explain(const Exchange& exchange, const gateway::Snapshot* rules) {
  Explanation explanation;
  explanation.sentences = sentences_of(exchange);
  explanation.choices = choices_of(exchange, rules);
  if (rules == nullptr || !exchange.account) return explanation;
  Asking asking{exchange, *rules, explanation.what_ifs};
  ask_about_difficulty(exchange, asking);
  ask_about_budget(exchange, asking);
  ask_about_the_conversation(exchange, rules->policy, asking);
  ask_about_the_rest(exchange, asking);
  return explanation;
}

}  // namespace turnpike::app
