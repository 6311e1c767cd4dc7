// Every metric family in one table, and the shards that count.
//
// One Shard per event loop, written by that loop alone with relaxed stores; a scrape on the admin thread sums the
// shards. A new label set costs one short lock, a known one none. Label values come from configuration and closed
// lists only, so the number of series is bounded by the catalog.
#pragma once

#include <prometheus/collectable.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "turnpike/exchange.hpp"

namespace turnpike::metrics {

/// Index into the table of metrics.cpp. The names follow OpenTelemetry's GenAI conventions where one exists.
enum class Family : std::uint8_t {
  requests_total,             // dialect, status, step_kind
  request_duration_seconds,   // provider, model
  time_to_first_token_seconds,
  time_per_output_token_seconds,
  token_usage,                // provider, model, token_type
  tokens_total,               // provider, model, class
  spend_credits_total,        // provider, model, tier
  overhead_seconds,           // phase
  decisions_total,            // tier, reason
  difficulty,                 // step_kind
  attempts_total,             // provider, model, outcome
  fallbacks_total,            // cause
  stream_ends_total,          // end
  settlements_total,          // settlement, cause
  translation_lossy_total,    // from, to, field
  stream_attempts_total,      // provider
  config_reload_total,        // result
  switches_total,             // move
  switch_saved_credits_total,  // move
  switch_spent_credits_total,  // move
  shadow_pairs_total,         // kind, outcome
  shadow_skipped_total,       // cause
  shadow_spend_credits_total, // provider, model
  shed_total,                 // reason, priority
  queue_wait_seconds,         // priority
  rate_refusals_total,        // reason
  hedges_total,               // outcome
  hedge_spend_credits_total,  // provider, model
  count_,                     // number of families; not a family
};

inline constexpr std::size_t buckets_max = 24;

/// One series of one shard. Written by one thread, read by the scrape.
struct Cell {
  std::atomic<double> sum{0};
  std::atomic<std::uint64_t> count{0};
  std::array<std::atomic<std::uint32_t>, buckets_max + 1> buckets{};
};

class Shard {
 public:
  /// Adds to a counter.
  void add(Family family, std::initializer_list<std::string_view> labels, double amount = 1);
  /// Observes a value in a histogram.
  void observe(Family family, std::initializer_list<std::string_view> labels, double value);
  /// All samples of a finished exchange.
  void record(const Exchange& exchange);

 private:
  friend class Metrics;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Series = std::unordered_map<std::string, std::unique_ptr<Cell>, Hash, std::equal_to<>>;
  Cell& cell(Family family, std::initializer_list<std::string_view> labels);
  void record_attempt(const Exchange& exchange, const Attempt& attempt);
  void record_switch(const SwitchVerdict& verdict);
  void record_phases(const Exchange& exchange);

  std::mutex growing_;  // held while a series is added and while a scrape walks the map
  std::array<Series, static_cast<std::size_t>(Family::count_)> series_;
  std::string key_;  // scratch for look-ups
};

/// A value known elsewhere at the moment of the scrape.
struct Gauge {
  std::string name;  // "turnpike_…"
  std::string help;
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
};

/// Owns the shards; any thread may scrape.
class Metrics final : public prometheus::Collectable {
 public:
  /// A shard for one more event loop; lives as long as this object.
  Shard& add_shard();
  /// `source` is asked at every scrape, on the scraping thread.
  void add_gauges(std::function<void(std::vector<Gauge>&)> source);
  [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::function<void(std::vector<Gauge>&)>> gauges_;
};

/// The exposition text of a scrape, as Prometheus reads it.
std::string text_page(const Metrics& metrics);

}  // namespace turnpike::metrics
