#include "app/backtest.hpp"

#include <algorithm>

#include "app/budget_name.hpp"
#include "app/replay.hpp"
#include "gateway/confidence.hpp"
#include "gateway/share_step.hpp"

namespace turnpike::app {
namespace {

bool has(const RouteDecision& decision, Reason reason) {
  return std::ranges::any_of(decision.why, [reason](const Why& why) { return why.reason == reason; });
}

const Candidate* candidate_named(const RouteDecision& decision, const std::string& target) {
  const auto found = std::ranges::find_if(decision.candidates, [&](const Candidate& c) { return c.target() == target; });
  return found == decision.candidates.end() ? nullptr : &*found;
}

bool told_usage(const Attempt* attempt) {
  return attempt != nullptr && attempt->usage.input() + attempt->usage.output() > 0;
}

}  // namespace

/// One recorded step, and what would have become of it.
struct Backtest::Step {
  const Exchange& exchange;
  const Attempt* recorded;  // what ran; null: nothing did
  RouteDecision decision;   // without candidates if refused
  bool refused = false;
  bool moved = false;
  bool compared = false;  // both costs are known
  Usage usage;
  Credits cost;
  bool over_budget = false;
};

Backtest::Backtest(std::shared_ptr<gateway::Snapshot> rules) : rules_(std::move(rules)) {
  if (rules_->policy.share) rules_->share = std::make_shared<policy::ShareController>(*rules_->policy.share, rules_->classifier->quantiles());
}

void Backtest::add(const std::string& text) {
  ++records;
  const auto read = record::from_json(text);
  if (!read) {
    ++(read.error().code == "record_too_old" ? too_old : damaged);
    return;
  }
  const Exchange& exchange = read->exchange;
  if (!first) first = exchange.at;
  last = exchange.at;
  if (exchange.error && exchange.error->code == "budget_exhausted") {
    ++all.budget_hits_was;
    ++kinds[exchange.facts.step].budget_hits_was;
  }
  if (!read->decided() || !exchange.account) {
    ++undecided;
  } else if (exchange.facts.step == StepKind::token_count) {
    ++token_counts;
  } else {
    take(exchange);
  }
}

void Backtest::take(const Exchange& exchange) {
  const auto& account = *exchange.account;
  const std::string name = exchange.facts.conversation.empty() ? std::string{} : account.key_id + "/" + exchange.facts.conversation;
  Course lone;  // steps without a conversation have no course
  Course& course = name.empty() ? lone : courses_[name];
  auto decision = decide_again(*rules_, exchange, inputs_for(exchange, course));
  Step step{.exchange = exchange, .recorded = served_attempt(exchange)};
  step.refused = !decision;
  if (decision) step.decision = *std::move(decision);
  step.moved = step.refused || step.decision.candidates.front().target() != exchange.decision.candidates.front().target();
  if (exchange.config_version == rules_->version) ++same_version;
  run(step, course);
  check_budget(step);
  count(step);
  steer(step);
}

RouteInputs Backtest::inputs_for(const Exchange& exchange, const Course& course) const {
  if (exchange.config_version == rules_->version) return exchange.inputs;
  RouteInputs inputs = course.inputs(exchange);
  const RouteInputs standard;
  inputs.threshold = standard.threshold;
  inputs.escalation_allowed = standard.escalation_allowed;
  if (rules_->share) {
    const auto steering = rules_->share->steer(rules_->share->scope_of(*exchange.account));
    inputs.threshold = steering.threshold;
    inputs.escalation_allowed = steering.escalation_allowed;
  }
  inputs.threshold_percentile = gateway::percentile_among_recent(*rules_, *exchange.account, inputs.threshold);
  return inputs;
}

/// Who answers, at what usage and cost. An unmoved step goes as recorded, a fallback that was needed included; a moved
/// one is answered by its first candidate.
void Backtest::run(Step& step, Course& course) {
  const Exchange& exchange = step.exchange;
  step.cost = exchange.cost();
  if (step.recorded != nullptr) step.usage = step.recorded->usage;
  if (step.refused) {
    step.cost = {};
    step.usage = {};
    step.compared = told_usage(step.recorded);
    course.part();
    return;
  }
  if (!told_usage(step.recorded)) return;
  step.compared = true;
  const Candidate* as_recorded = candidate_named(exchange.decision, step.recorded->target);
  const Candidate* served = step.moved ? nullptr : candidate_named(step.decision, step.recorded->target);
  if (served == nullptr) served = &step.decision.candidates.front();
  const bool elsewhere = served->target() != step.recorded->target;
  if (!elsewhere && !course.apart() && as_recorded != nullptr) {
    const auto modelled = charge(as_recorded->quote, course.usage_at(*as_recorded, exchange, *step.recorded));
    model_cost += modelled.value_or(step.recorded->cost);
    model_recorded += step.recorded->cost;
  }
  if (elsewhere || course.apart()) {
    step.usage = course.usage_at(*served, exchange, *step.recorded);
    // What earlier attempts of an unmoved step cost is spent either way.
    const auto others = step.moved ? Credits{} : exchange.cost() - step.recorded->cost;
    step.cost = charge(served->quote, step.usage).value_or(Credits::max()) + others;
  }
  if (elsewhere) course.part();
  course.follow(exchange, *served, step.usage, has(step.decision, Reason::escalated));
}

/// Recorded: what was left then in the tightest window on the account's path. That budget has since spent more or less
/// than recorded; which one it is, the record says while it is thin, else it is taken to be the key's.
void Backtest::check_budget(const Step& step) {
  const Exchange& exchange = step.exchange;
  const auto scopes = scopes_of(*exchange.account);
  const auto tightest = std::ranges::find(scopes, split_budget_name(exchange.allowance.pressure_scope).scope);
  const auto& name = tightest == scopes.end() ? scopes.back() : *tightest;  // the last is the key's
  if (exchange.allowance.remaining && step.compared && *exchange.allowance.remaining - extra_[name] < step.cost) {
    ++all.budget_hits_would;
    ++kinds[exchange.facts.step].budget_hits_would;
  }
  if (!step.compared) return;
  for (const auto& scope : scopes) extra_[scope] += step.cost - exchange.cost();
}

void Backtest::count(const Step& step) {
  if (!step.compared) ++not_run;
  count_into(all, step);
  count_into(kinds[step.exchange.facts.step], step);
  if (!step.moved) return;
  const auto& from = step.exchange.decision.candidates.front();
  auto& move = moves[{from.target(), step.refused ? "refused" : step.decision.candidates.front().target()}];
  ++move.steps;
  if (step.compared) {
    move.cost_was += step.exchange.cost();
    move.cost_would += step.cost;
  }
  if (move.examples.size() < examples_max) move.examples.push_back(step.exchange.decision_id);
}

void Backtest::count_into(BothWays& sums, const Step& step) const {
  const auto& was = step.exchange.decision;
  ++sums.steps;
  sums.moved += step.moved ? 1 : 0;
  sums.refused += step.refused ? 1 : 0;
  sums.frontier_was += was.frontier ? 1 : 0;
  sums.frontier_would += step.decision.frontier ? 1 : 0;
  sums.pressed_was += has(was, Reason::budget_pressure) ? 1 : 0;
  sums.pressed_would += has(step.decision, Reason::budget_pressure) ? 1 : 0;
  if (!step.compared) return;
  sums.cost_was += step.exchange.cost();
  sums.cost_would += step.cost;
  if (was.frontier) sums.frontier_cost_was += step.exchange.cost();
  if (step.decision.frontier) sums.frontier_cost_would += step.cost;
  sums.cache_read_was += step.recorded->usage.input_cache_read;
  sums.prompt_was += step.recorded->usage.input();
  sums.cache_read_would += step.usage.input_cache_read;
  sums.prompt_would += step.usage.input();
}

/// The share controller is told as the gateway would tell it.
void Backtest::steer(const Step& step) {
  if (!rules_->share || step.refused) return;
  Exchange told;
  told.at = step.exchange.at;
  told.account = step.exchange.account;
  told.facts = step.exchange.facts;
  told.difficulty = step.exchange.difficulty;
  told.decision = step.decision;
  if (step.recorded != nullptr) {
    Attempt attempt = *step.recorded;
    if (step.moved) attempt.target = step.decision.candidates.front().target();
    attempt.usage = step.usage;
    attempt.cost = step.cost;
    told.attempts.push_back(std::move(attempt));
  }
  const auto scope = rules_->share->scope_of(*told.account);
  if (auto open = gateway::open_share_step(*rules_, told)) open->settle(gateway::share_outcome(told, *rules_));
  thresholds[scope] = rules_->share->threshold(scope);
}

}  // namespace turnpike::app
