#include "gateway/shadow_runs.hpp"

#include <algorithm>
#include <utility>

#include "dialect/schema_fit.hpp"
#include "gateway/shadow_judge.hpp"
#include "policy/candidates.hpp"

namespace turnpike::gateway {
namespace {

constexpr std::size_t judged_text_bytes = 8192;
constexpr std::size_t kept_text_bytes = 2048;

/// FNV-1a with a last mix: uniform in [0, 1), and one series of draws per purpose.
double draw_of(std::string_view decision_id, std::string_view purpose) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const std::string_view part : {decision_id, purpose}) {
    for (const char c : part) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  hash = (hash ^ (hash >> 33U)) * 0xff51afd7ed558ccdU;
  hash = (hash ^ (hash >> 33U)) * 0xc4ceb9fe1a85ec53U;
  hash ^= hash >> 33U;
  return static_cast<double>(hash >> 11U) / 9007199254740992.0;  // 2^53
}

/// Of recent traffic where it is known, else of the data that the classifier was trained on.
float percentile_of(const Difficulty& difficulty, const classify::Classifier& classifier) {
  if (difficulty.percentile >= 0) return difficulty.percentile;
  const auto& quantiles = classifier.quantiles();
  const auto above = std::ranges::upper_bound(quantiles, difficulty.score);
  return static_cast<float>(above - quantiles.begin()) / static_cast<float>(quantiles.size());
}

ShadowSide live_side(const Exchange& exchange) {
  const Attempt& served = exchange.attempts.back();
  const auto micros = [&](Monotonic until) {
    return until == Monotonic{} ? -1 : std::chrono::duration_cast<std::chrono::microseconds>(until - served.started).count();
  };
  ShadowSide side;
  side.target = served.target;
  side.answer = exchange.answer.value_or(AnswerMeasures{});
  side.usage = served.usage;
  side.cost = served.cost;
  side.price_id = served.price_id;
  side.first_token_us = micros(served.first_content_at);
  side.total_us = micros(served.ended);
  return side;
}

/// Bytes of the longest beginning of UTF-8 text, at most `bytes_max` < size, that tears no character.
std::size_t whole_characters(std::string_view text, std::size_t bytes_max) {
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0U) == 0x80U) --bytes_max;
  return bytes_max;
}

/// What could be put before a judge or an operator: the visible text, then each call.
std::string described(const dialect::ProposedAction& action, std::size_t bytes_max) {
  std::string text = action.text;
  for (const auto& call : action.calls) text += (text.empty() ? "" : "\n") + call.name + ' ' + call.arguments;
  if (text.size() > bytes_max) text.resize(whole_characters(text, bytes_max));
  return text;
}

bool is_frontier(const policy::Policy& policy, const Snapshot& snapshot, const std::string& target) {
  const auto* model = snapshot.catalog.find(target);
  if (model == nullptr) return false;
  const auto tier = policy.tier_of(snapshot.catalog.index_of(*model));
  return tier && policy.tiers[*tier].frontier;
}

/// A broken answer and a judge's word are clear. That another action was proposed is weak evidence, since two answers of one
/// good model often differ, too; another tool says a little more than other arguments.
Outcome outcome_for_learning(const ShadowPair& pair) {
  const auto judged = pair.judgement ? pair.judgement->verdict : JudgeVerdict::unclear;
  Outcome outcome;
  outcome.source = OutcomeSource::shadow_pair;
  outcome.strong_right = pair.live.usable() ? 1.0F : 0.0F;
  if (!pair.shadow.usable() || judged == JudgeVerdict::live_better) {
    outcome.weak_failed = 1;
  } else if (!pair.same_action && judged == JudgeVerdict::unclear) {
    outcome.weak_failed = pair.same_tools ? 0.35F : 0.65F;
    outcome.weight = 0.3F;
  }
  return outcome;
}

std::string_view outcome_of(const ShadowPair& pair) {
  if (!pair.shadow.error_code.empty()) return "failed";
  if (!pair.shadow.usable()) return "unusable";
  if (pair.same_action) return "same_action";
  return pair.same_tools ? "same_tools" : "other_action";
}

bool is_overload(std::string_view error_code) { return error_code == "rate_limit_exceeded" || error_code == "overloaded"; }

ShadowSkip skip_of(const Error& error) {
  if (error.code == "model_not_allowed") return ShadowSkip::not_allowed;
  if (error.code == "context_length_exceeded") return ShadowSkip::context;
  if (error.code == "unsupported_capability") return ShadowSkip::capability;
  if (error.code == "unsupported_parameter") return ShadowSkip::stored_state;
  return ShadowSkip::unpriced;
}

}  // namespace

ShadowRuns::ShadowRuns(const ShadowParts& parts, metrics::Shard& metrics, ShadowHub* hub, Learning* learning, std::uint64_t hash_key)
    : parts_(parts), metrics_(metrics), hub_(hub), learning_(learning), hash_key_(hash_key) {}

std::unique_ptr<ShadowTicket> ShadowRuns::draw(const Call& call) const {
  const auto& plan = call.snapshot->policy.shadow;
  const Exchange& exchange = call.exchange;
  if (!plan || hub_ == nullptr || !start_ || !hub_->is_open() || closed_ || !plan->takes(exchange.facts.step)) return nullptr;
  if (plan->until && exchange.at >= *plan->until) return nullptr;
  const float percentile = percentile_of(exchange.difficulty, *call.snapshot->classifier);
  const double chance = plan->chance_of(percentile);
  const std::string& id = exchange.decision_id;
  if (draw_of(id, plan->candidate.name) >= chance) return nullptr;
  auto ticket = std::make_unique<ShadowTicket>(plan->judge ? judged_text_bytes : plan->keep_texts ? kept_text_bytes : 0);
  ticket->percentile = percentile;
  ticket->weight = 1 / chance;
  ticket->self = draw_of(id, "self") < plan->self_sample;
  ticket->judge = plan->judge && draw_of(id, "judge") < plan->judge_sample;
  return ticket;
}

std::optional<ShadowSkip> ShadowRuns::refuses(const Call& call) const {
  const Exchange& exchange = call.exchange;
  const RequestFacts& facts = exchange.facts;
  if (exchange.error || !exchange.answer || exchange.attempts.empty() || !call.shadow->live.action().whole) return ShadowSkip::live_failed;
  if (exchange.inputs.required_provider || !call.view.previous_response_id.empty()) return ShadowSkip::stored_state;
  // They would run a second time, at the provider, and be billed by the call.
  if (facts.server_calls != PerServerTool{} || !facts.unpriced_tool.empty()) return ShadowSkip::provider_tools;
  const auto& plan = *call.snapshot->policy.shadow;
  if (exchange.attempts.back().target == plan.candidate.name && !call.shadow->self) return ShadowSkip::served_by_it;
  if (hub_->backing_off(parts_.clock.monotonic())) return ShadowSkip::backing_off;
  const std::size_t bytes = 2 * call.request.body.size();
  if (queue_.size() >= queue_limits_.jobs_max || queue_bytes_ + bytes > queue_limits_.bytes_max) return ShadowSkip::queue_full;
  return std::nullopt;
}

std::unique_ptr<ShadowJob> ShadowRuns::job_of(Call& call) {
  const Exchange& exchange = call.exchange;
  auto job = std::make_unique<ShadowJob>();
  job->pair.at = exchange.at;
  job->pair.decision_id = exchange.decision_id;
  job->pair.policy = exchange.decision.policy;
  job->pair.conversation = exchange.facts.conversation;
  job->pair.step = exchange.facts.step;
  job->pair.score = exchange.difficulty.score;
  job->pair.percentile = call.shadow->percentile;
  job->pair.weight = call.shadow->weight;
  job->pair.live = live_side(exchange);
  job->self = call.shadow->self;
  job->judge = call.shadow->judge;
  job->live_action = call.shadow->live.action();
  job->owner = exchange.account;
  job->snapshot = call.snapshot;
  job->client = call.head.route.dialect;
  job->body = std::move(call.request.body);
  job->headers = std::move(call.request.head.headers);
  job->view = std::move(call.view);
  job->facts = exchange.facts;
  return job;
}

std::unique_ptr<ShadowJob> ShadowRuns::prepare(Call& call) {
  if (!call.shadow || closed_) return nullptr;
  if (const auto cause = refuses(call)) {
    skip(*cause);
    return nullptr;
  }
  return job_of(call);
}

void ShadowRuns::offer(std::unique_ptr<ShadowJob> job) {
  if (!job) return;
  queue_.push_back(std::move(job));
  queue_bytes_ += queue_.back()->bytes();
  hub_->waiting(1);
  pump();
}

void ShadowRuns::pump() {
  while (!queue_.empty() && !closed_) {
    auto place = hub_->take_place(queue_.front()->snapshot->policy.shadow->concurrency_max);
    if (!place) return;
    auto job = std::move(queue_.front());
    queue_.pop_front();
    queue_bytes_ -= job->bytes();
    hub_->waiting(-1);
    start_(run(std::move(job), std::move(place)));
  }
}

void ShadowRuns::close() {
  closed_ = true;
  if (hub_ != nullptr) hub_->waiting(-static_cast<std::int64_t>(queue_.size()));
  queue_.clear();
  queue_bytes_ = 0;
}

asio::awaitable<void> ShadowRuns::run(std::unique_ptr<ShadowJob> job, ShadowHub::Place place) {
  {
    const ShadowHub::Place held{std::move(place)};
    const auto& candidate = job->snapshot->policy.shadow->candidate;
    const bool served_by_it = job->pair.live.target == candidate.name;
    if (!served_by_it) co_await compare(*job, ShadowKind::candidate);
    // How far two answers of the live model differ is paid for only where the candidate's can be held against it.
    const bool comparable = served_by_it || candidate_for(*job, job->facts, &job->snapshot->catalog.models()[candidate.index]).has_value();
    if (job->self && comparable && !closed_) co_await compare(*job, ShadowKind::self);
  }
  pump();
}

/// The same questions that a routing decision asks: allow-lists, data tags, capabilities, window, price. `facts`: of what
/// this call asks, the client's request or a judge's.
std::expected<Candidate, ShadowSkip> ShadowRuns::candidate_for(const ShadowJob& job, const RequestFacts& facts, const catalog::Model* model) {
  if (model == nullptr) return std::unexpected{ShadowSkip::unpriced};
  if (hub_->backing_off(parts_.clock.monotonic())) return std::unexpected{ShadowSkip::backing_off};
  const Snapshot& snapshot = *job.snapshot;
  const Allowance allowance;  // the shadow's own budget is asked when credits are held
  const RouteInputs inputs;
  const Difficulty difficulty;
  std::vector<Why> why;
  const policy::Situation situation{
      .facts = facts, .difficulty = difficulty, .allowance = allowance, .account = *job.owner, .inputs = inputs, .now = parts_.ledger.time()};
  auto found = policy::pinned_candidate(snapshot.policy, snapshot.catalog, situation, snapshot.catalog.index_of(*model), why);
  if (!found) return std::unexpected{skip_of(found.error())};
  if (parts_.backends.view(snapshot.catalog).of(found->front().target()) == Health::ejected) return std::unexpected{ShadowSkip::unhealthy};
  return std::move(found->front());
}

asio::awaitable<void> ShadowRuns::compare(ShadowJob& job, ShadowKind kind) {
  const auto& catalog = job.snapshot->catalog;
  const auto& plan = *job.snapshot->policy.shadow;
  const auto* model = kind == ShadowKind::self ? catalog.find(job.pair.live.target) : &catalog.models()[plan.candidate.index];
  const auto candidate = candidate_for(job, job.facts, model);
  if (!candidate) {
    skip(candidate.error());
    co_return;
  }
  // An id of its own: the client's record lists what the client's step cost.
  const ShadowQuestion question{.body = job.body,
                                .view = job.view,
                                .facts = job.facts,
                                .headers = job.headers,
                                .client = job.client,
                                .owner = job.owner->key_id,
                                .decision_id = job.pair.decision_id + (kind == ShadowKind::self ? "~self" : "~shadow"),
                                .text_bytes_max = job.judge ? judged_text_bytes : plan.keep_texts ? kept_text_bytes : 0};
  const auto reply = co_await ask_shadow(parts_, limits_, *job.snapshot, *candidate, question);
  if (!reply) {
    skip(reply.error());
    co_return;
  }
  const std::string& failure = reply->side.error_code;
  if (failure == "cancelled") co_return;  // the process ends
  metrics_.add(metrics::Family::shadow_spend_credits_total, {candidate->provider, candidate->model},
               static_cast<double>(reply->side.cost.nano()) / 1e9);
  if (is_overload(failure)) {
    refused_for_overload();
    co_return;
  }
  ShadowPair pair = job.pair;
  pair.kind = kind;
  // The sample of a sample: each pair stands for more steps.
  if (kind == ShadowKind::self) pair.weight /= plan.self_sample;
  pair.shadow = reply->side;
  measure(job, reply->action, pair);
  if (kind == ShadowKind::candidate && job.judge && pair.live.usable() && pair.shadow.usable() && !pair.same_action && !closed_) {
    co_await judge(job, reply->action, pair);
  }
  teach(job, pair);
  keep(pair);
}

void ShadowRuns::measure(const ShadowJob& job, const dialect::ProposedAction& shadow, ShadowPair& pair) const {
  const bool calls = !job.live_action.calls.empty() || !shadow.calls.empty();
  if (calls) {
    // Tools that cannot be read were good enough for the provider: nothing is held against either side.
    if (const auto tools = dialect::DeclaredTools::read(job.client, job.body, job.view)) {
      pair.live.calls_fit = tools->fit(job.live_action);
      pair.shadow.calls_fit = tools->fit(shadow);
    }
  }
  if (job.snapshot->policy.shadow->keep_texts) {
    pair.texts = ShadowTexts{described(job.live_action, kept_text_bytes), described(shadow, kept_text_bytes)};
  }
  if (!pair.shadow.error_code.empty() || !shadow.whole) return;
  const auto live_print = dialect::fingerprint(job.live_action, hash_key_);
  const auto print = dialect::fingerprint(shadow, hash_key_);
  pair.same_tools = live_print.tools == print.tools;
  pair.same_action = live_print == print;
}

asio::awaitable<void> ShadowRuns::judge(ShadowJob& job, const dialect::ProposedAction& shadow, ShadowPair& pair) {
  const Snapshot& snapshot = *job.snapshot;
  const auto& judge_model = *snapshot.policy.shadow->judge;
  // Which answer stands first is drawn from the decision id: the judge cannot know, and the same pair is always shown alike.
  const bool live_first = draw_of(job.pair.decision_id, "order") < 0.5;
  const std::string live_text = described(job.live_action, judged_text_bytes);
  const std::string shadow_text = described(shadow, judged_text_bytes);
  auto asked = JudgeQuestion::make(job.facts, live_first ? live_text : shadow_text, live_first ? shadow_text : live_text);
  if (!asked) co_return;
  const auto candidate = candidate_for(job, asked->facts, &snapshot.catalog.models()[judge_model.index]);
  if (!candidate) {
    skip(candidate.error());
    co_return;
  }
  const ShadowQuestion question{.body = asked->body,
                                .view = asked->view,
                                .facts = asked->facts,
                                .headers = asked->headers,
                                .client = Dialect::openai_chat,
                                .owner = {},
                                .decision_id = job.pair.decision_id + "~judge",
                                .text_bytes_max = 256};
  const auto reply = co_await ask_shadow(parts_, limits_, snapshot, *candidate, question);
  if (!reply) {
    skip(reply.error());
    co_return;
  }
  if (is_overload(reply->side.error_code)) {
    refused_for_overload();
    co_return;
  }
  metrics_.add(metrics::Family::shadow_spend_credits_total, {candidate->provider, candidate->model},
               static_cast<double>(reply->side.cost.nano()) / 1e9);
  pair.judgement = ShadowJudgement{judge_model.name, verdict_of(reply->action.text, live_first), reply->side.cost};
}

/// A pair with the frontier on one side and a cheaper model on the other tells which steps the cheaper one fails.
void ShadowRuns::teach(const ShadowJob& job, const ShadowPair& pair) {
  if (learning_ == nullptr || pair.kind != ShadowKind::candidate || !pair.shadow.error_code.empty()) return;
  const policy::Policy& policy = job.snapshot->policy;
  if (!is_frontier(policy, *job.snapshot, pair.live.target) || is_frontier(policy, *job.snapshot, pair.shadow.target)) return;
  const std::string group = Learning::group_of(policy, *job.owner);
  if (!group.empty()) learning_->learn(group, job.facts, outcome_for_learning(pair));
}

void ShadowRuns::refused_for_overload() {
  hub_->back_off(parts_.clock.monotonic() + std::chrono::seconds{30});
  skip(ShadowSkip::backing_off);
}

void ShadowRuns::skip(ShadowSkip cause) { metrics_.add(metrics::Family::shadow_skipped_total, {to_string(cause)}); }

void ShadowRuns::keep(const ShadowPair& pair) {
  metrics_.add(metrics::Family::shadow_pairs_total, {to_string(pair.kind), outcome_of(pair)});
  hub_->keep(pair);
}

}  // namespace turnpike::gateway
