#include "metrics/metrics.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <span>

namespace turnpike::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::array<double, 17> seconds_bounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                0.5,    1,     2.5,    5,     10,   30,    60,   300};
constexpr std::array<double, 12> overhead_bounds{0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025,
                                                 0.0005,   0.001,   0.0025,   0.005,   0.01,   0.1};
constexpr std::array<double, 10> unit_bounds{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};
constexpr std::array<double, 9> wait_bounds{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1};
/// Source: OpenTelemetry GenAI metrics, advised buckets of gen_ai.client.token.usage.
constexpr std::array<double, 14> token_bounds{1,     4,     16,      64,      256,     1024,     4096,
                                              16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};

struct Info {
  const char* name;
  const char* help;
  MetricType type;
  std::initializer_list<const char*> labels;
  std::span<const double> bounds;
};

const std::array<Info, static_cast<std::size_t>(Family::count_)>& families() {
  static const std::array<Info, static_cast<std::size_t>(Family::count_)> table{{
      {"turnpike_requests_total", "Requests answered, by client dialect, HTTP status and step kind.", MetricType::Counter, {"dialect", "status", "step_kind"}, {}},
      {"gen_ai_server_request_duration_seconds", "From the last byte of the request to the last byte of the answer.", MetricType::Histogram, {"gen_ai_provider_name", "gen_ai_request_model"}, seconds_bounds},
      {"gen_ai_server_time_to_first_token_seconds", "From the last byte of the request to the first content event.", MetricType::Histogram, {"gen_ai_provider_name", "gen_ai_request_model"}, seconds_bounds},
      {"gen_ai_server_time_per_output_token_seconds", "Time between output tokens after the first.", MetricType::Histogram, {"gen_ai_provider_name", "gen_ai_request_model"}, seconds_bounds},
      {"gen_ai_client_token_usage", "Tokens per attempt.", MetricType::Histogram, {"gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type"}, token_bounds},
      {"turnpike_tokens_total", "Tokens by billing class.", MetricType::Counter, {"provider", "model", "class"}, {}},
      {"turnpike_spend_credits_total", "Credits settled.", MetricType::Counter, {"provider", "model", "tier"}, {}},
      {"turnpike_overhead_seconds", "The gateway's own time, by phase.", MetricType::Histogram, {"phase"}, overhead_bounds},
      {"turnpike_decisions_total", "Decisions, by tier and each reason they name.", MetricType::Counter, {"tier", "reason"}, {}},
      {"turnpike_difficulty", "Difficulty scores.", MetricType::Histogram, {"step_kind"}, unit_bounds},
      {"turnpike_attempts_total", "Attempts at a target, by outcome (ok or the error's code).", MetricType::Counter, {"provider", "model", "outcome"}, {}},
      {"turnpike_fallbacks_total", "Times the next candidate was tried, by the cause.", MetricType::Counter, {"cause"}, {}},
      {"turnpike_stream_ends_total", "How streams ended.", MetricType::Counter, {"end"}, {}},
      {"turnpike_settlements_total", "How attempts were settled; cause is empty when exact.", MetricType::Counter, {"settlement", "cause"}, {}},
      {"turnpike_translation_lossy_total", "Fields lost between dialects.", MetricType::Counter, {"from", "to", "field"}, {}},
      {"turnpike_stream_attempts_total", "Streamed attempts begun, by provider.", MetricType::Counter, {"provider"}, {}},
      {"turnpike_config_reload_total", "Configuration reloads, by result.", MetricType::Counter, {"result"}, {}},
      {"turnpike_switches_total", "Changes of model that were weighed at a human turn: made or avoided.", MetricType::Counter, {"move"}, {}},
      {"turnpike_switch_saved_credits_total", "What these choices are expected to save over the rest of their conversations.", MetricType::Counter, {"move"}, {}},
      {"turnpike_switch_spent_credits_total", "What others of these choices are expected to cost on top, for a step's difficulty.", MetricType::Counter, {"move"}, {}},
      {"turnpike_shadow_pairs_total", "Steps that were asked a second time, by what came of it.", MetricType::Counter, {"kind", "outcome"}, {}},
      {"turnpike_shadow_skipped_total", "Sampled steps that were not asked a second time, by the cause.", MetricType::Counter, {"cause"}, {}},
      {"turnpike_shadow_spend_credits_total", "Credits settled for shadow runs; in no key's spending.", MetricType::Counter, {"provider", "model"}, {}},
      {"turnpike_shed_total", "Requests turned away for overload, by the cause.", MetricType::Counter, {"reason", "priority"}, {}},
      {"turnpike_queue_wait_seconds", "How long requests waited in line for a place.", MetricType::Histogram, {"priority"}, wait_bounds},
      {"turnpike_rate_refusals_total", "Requests refused because their key is above its rate.", MetricType::Counter, {"reason"}, {}},
      {"turnpike_hedges_total", "Second attempts beside a first that was slow to begin, by what came of them.", MetricType::Counter, {"outcome"}, {}},
      {"turnpike_hedge_spend_credits_total", "Credits settled for the attempts of a race that were not heard.", MetricType::Counter, {"provider", "model"}, {}},
  }};
  return table;
}

const Info& info_of(Family family) { return families()[static_cast<std::size_t>(family)]; }

constexpr char separator = '\x1f';

double seconds(Monotonic from, Monotonic until) {
  return std::chrono::duration<double>(until - from).count();
}

bool happened(Monotonic when) { return when != Monotonic{}; }

void add_relaxed(std::atomic<double>& target, double amount) {
  target.store(target.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

template <typename Integer>
void increment_relaxed(std::atomic<Integer>& target) {
  target.store(target.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

Cell& Shard::cell(Family family, std::initializer_list<std::string_view> labels) {
  key_.clear();
  for (const auto label : labels) {
    key_ += label;
    key_ += separator;
  }
  auto& series = series_[static_cast<std::size_t>(family)];
  if (const auto found = series.find(std::string_view{key_}); found != series.end()) return *found->second;
  const std::lock_guard lock{growing_};
  return *series.emplace(key_, std::make_unique<Cell>()).first->second;
}

void Shard::add(Family family, std::initializer_list<std::string_view> labels, double amount) {
  add_relaxed(cell(family, labels).sum, amount);
}

void Shard::observe(Family family, std::initializer_list<std::string_view> labels, double value) {
  Cell& target = cell(family, labels);
  const auto bounds = info_of(family).bounds;
  const auto bucket = static_cast<std::size_t>(std::ranges::lower_bound(bounds, value) - bounds.begin());
  increment_relaxed(target.buckets[bucket]);
  increment_relaxed(target.count);
  add_relaxed(target.sum, value);
}

void Shard::record(const Exchange& exchange) {
  const auto step = to_string(exchange.facts.step);
  add(Family::requests_total,
      {to_string(exchange.facts.dialect), std::to_string(exchange.status), step});
  if (!exchange.decision.candidates.empty()) {
    observe(Family::difficulty, {step}, exchange.difficulty.score);
    for (const auto& why : exchange.decision.why) {
      add(Family::decisions_total, {exchange.decision.tier, to_string(why.reason)});
    }
  }
  record_switch(exchange.decision.switching);
  for (const auto& attempt : exchange.attempts) record_attempt(exchange, attempt);
  for (std::size_t i = 0; i + 1 < exchange.attempts.size(); ++i) {
    add(Family::fallbacks_total, {exchange.attempts[i].error_code});
  }
  if (exchange.end != StreamEnd::not_streamed) add(Family::stream_ends_total, {to_string(exchange.end)});
  record_phases(exchange);
}

void Shard::record_switch(const SwitchVerdict& verdict) {
  if (verdict.move == SwitchVerdict::Move::none) return;
  const auto move = to_string(verdict.move);
  add(Family::switches_total, {move});
  // A counter cannot fall: what is saved and what is spent are two.
  const double credits = static_cast<double>(verdict.saving.nano()) * 1e-9;
  if (credits > 0) add(Family::switch_saved_credits_total, {move}, credits);
  if (credits < 0) add(Family::switch_spent_credits_total, {move}, -credits);
}

void Shard::record_attempt(const Exchange& exchange, const Attempt& attempt) {
  const std::string_view provider = attempt.provider;
  const std::string_view model = attempt.model;
  add(Family::attempts_total,
      {provider, model, attempt.error_code.empty() ? std::string_view{"ok"} : attempt.error_code});
  add(Family::settlements_total, {to_string(attempt.settlement), attempt.cause});
  if (attempt.cost.nano() != 0) {
    add(Family::spend_credits_total, {provider, model, exchange.decision.tier},
        static_cast<double>(attempt.cost.nano()) * 1e-9);
  }
  if (exchange.facts.stream) add(Family::stream_attempts_total, {provider});
  if (attempt.usage.input() + attempt.usage.output() > 0) {
    const Usage& usage = attempt.usage;
    const std::array<std::pair<std::string_view, std::int64_t>, 6> classes{
        {{"input", usage.input_fresh},
         {"cache_read", usage.input_cache_read},
         {"cache_write_5m", usage.input_cache_write_5m},
         {"cache_write_1h", usage.input_cache_write_1h},
         {"output", usage.output_text},
         {"reasoning", usage.output_reasoning}}};
    for (const auto& [name, tokens] : classes) {
      if (tokens > 0) add(Family::tokens_total, {provider, model, name}, static_cast<double>(tokens));
    }
    observe(Family::token_usage, {provider, model, "input"}, static_cast<double>(usage.input()));
    observe(Family::token_usage, {provider, model, "output"}, static_cast<double>(usage.output()));
  }
  if (!attempt.error_code.empty()) return;
  if (happened(exchange.finished)) {
    observe(Family::request_duration_seconds, {provider, model}, seconds(exchange.received, exchange.finished));
  }
  if (!happened(exchange.first_content)) return;
  observe(Family::time_to_first_token_seconds, {provider, model}, seconds(exchange.received, exchange.first_content));
  if (exchange.facts.stream && attempt.usage.output() > 1 && happened(exchange.finished)) {
    observe(Family::time_per_output_token_seconds, {provider, model},
            seconds(exchange.first_content, exchange.finished) / static_cast<double>(attempt.usage.output() - 1));
  }
}

void Shard::record_phases(const Exchange& exchange) {
  const std::array<std::tuple<std::string_view, Monotonic, Monotonic>, 4> phases{
      {{"parse", happened(exchange.admitted) ? exchange.admitted : exchange.received, exchange.parsed},
       {"decide", exchange.parsed, exchange.decided},
       {"reserve", exchange.decided, exchange.reserved},
       {"send", exchange.reserved, exchange.sent_upstream}}};
  for (const auto& [name, from, until] : phases) {
    if (happened(from) && happened(until)) observe(Family::overhead_seconds, {name}, seconds(from, until));
  }
}

Shard& Metrics::add_shard() {
  const std::lock_guard lock{mutex_};
  return *shards_.emplace_back(std::make_unique<Shard>());
}

void Metrics::add_gauges(std::function<void(std::vector<Gauge>&)> source) {
  const std::lock_guard lock{mutex_};
  gauges_.push_back(std::move(source));
}

namespace {

struct Sum {
  double sum = 0;
  std::uint64_t count = 0;
  std::array<std::uint64_t, buckets_max + 1> buckets{};
};

ClientMetric to_metric(const Info& info, const std::string& key, const Sum& sum) {
  ClientMetric metric;
  std::size_t begin = 0;
  for (const char* label : info.labels) {
    const std::size_t end = key.find(separator, begin);
    metric.label.push_back({label, key.substr(begin, end - begin)});
    begin = end + 1;
  }
  if (info.type == MetricType::Counter) {
    metric.counter.value = sum.sum;
    return metric;
  }
  metric.histogram.sample_count = sum.count;
  metric.histogram.sample_sum = sum.sum;
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i <= info.bounds.size(); ++i) {
    cumulative += sum.buckets[i];
    ClientMetric::Bucket bucket;
    bucket.cumulative_count = cumulative;
    bucket.upper_bound =
        i < info.bounds.size() ? info.bounds[i] : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back(bucket);
  }
  return metric;
}

void append_gauges(std::vector<MetricFamily>& families, const std::vector<Gauge>& gauges) {
  std::map<std::string, MetricFamily> by_name;
  for (const auto& gauge : gauges) {
    MetricFamily& family = by_name[gauge.name];
    family.name = gauge.name;
    family.help = gauge.help;
    family.type = gauge.name.ends_with("_total") ? MetricType::Counter : MetricType::Gauge;
    ClientMetric metric;
    for (const auto& [name, value] : gauge.labels) metric.label.push_back({name, value});
    metric.gauge.value = gauge.value;
    metric.counter.value = gauge.value;
    family.metric.push_back(std::move(metric));
  }
  for (auto& [name, family] : by_name) families.push_back(std::move(family));
}

}  // namespace

std::vector<MetricFamily> Metrics::Collect() const {
  const std::lock_guard lock{mutex_};
  std::vector<MetricFamily> collected;
  for (std::size_t index = 0; index < families().size(); ++index) {
    const Info& info = families()[index];
    std::map<std::string, Sum> sums;
    for (const auto& shard : shards_) {
      const std::lock_guard growing{shard->growing_};
      for (const auto& [key, cell] : shard->series_[index]) {
        Sum& sum = sums[key];
        sum.sum += cell->sum.load(std::memory_order_relaxed);
        sum.count += cell->count.load(std::memory_order_relaxed);
        for (std::size_t i = 0; i < sum.buckets.size(); ++i) {
          sum.buckets[i] += cell->buckets[i].load(std::memory_order_relaxed);
        }
      }
    }
    MetricFamily family;
    family.name = info.name;
    family.help = info.help;
    family.type = info.type;
    for (const auto& [key, sum] : sums) family.metric.push_back(to_metric(info, key, sum));
    if (!family.metric.empty()) collected.push_back(std::move(family));
  }
  std::vector<Gauge> gauges;
  for (const auto& source : gauges_) source(gauges);
  append_gauges(collected, gauges);
  return collected;
}

std::string text_page(const Metrics& metrics) {
  return prometheus::TextSerializer{}.Serialize(metrics.Collect());
}

}  // namespace turnpike::metrics
