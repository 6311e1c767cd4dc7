// Shadow runs of one event loop: sampled steps are asked a second time, off the client's path.
//
//   before the first attempt: draw()   is this step in the sample? (a hash; no run without a policy's [shadow])
//   after the client's answer: prepare(), offer() --[ bounded queue ]--> run(): ask the candidate, compare, keep the pair
//
// The client's request never waits for any of it, pays nothing for it and sees no failure of it. Failures do not count on
// the breakers of live routing: a candidate on trial must not be able to eject a target that serves clients, and its
// load is not theirs. The reverse holds: a target that live traffic has ejected is left alone.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "gateway/call.hpp"
#include "gateway/learning.hpp"
#include "gateway/shadow_ask.hpp"
#include "gateway/shadow_hub.hpp"
#include "gateway/shadow_job.hpp"
#include "metrics/metrics.hpp"

namespace turnpike::gateway {

struct ShadowQueueLimits {
  std::size_t jobs_max = 64;                            // waiting on one loop
  std::size_t bytes_max = std::size_t{32} << 20U;       // likewise
};

/// One per event loop; everything here belongs to that loop.
class ShadowRuns {
 public:
  /// `hub` null: there are no shadow runs. `learning` null: nobody learns from them. `hash_key`: of the compared actions.
  ShadowRuns(const ShadowParts& parts, metrics::Shard& metrics, ShadowHub* hub, Learning* learning, std::uint64_t hash_key);

  /// How a run is begun on this loop, beside whatever runs there; the application's business. Until it is told, there are
  /// no shadow runs.
  using Start = std::function<void(asio::awaitable<void>)>;
  void start_with(Start start) { start_ = std::move(start); }

  /// Decides on the decision id alone, so that the same step is always in or out. Null: out.
  [[nodiscard]] std::unique_ptr<ShadowTicket> draw(const Call& call) const;
  /// The client has its answer: takes the body out of the call, copies the rest. Null: no ticket, or nothing to compare.
  [[nodiscard]] std::unique_ptr<ShadowJob> prepare(Call& call);
  /// Null is taken, too. The run is begun from the loop, not from inside.
  void offer(std::unique_ptr<ShadowJob> job);
  /// Starts what waits for a place that another loop has given back.
  void on_tick() { pump(); }
  /// Nothing is begun any more; what runs is ended through the ticker.
  void close();

 private:
  std::optional<ShadowSkip> refuses(const Call& call) const;
  static std::unique_ptr<ShadowJob> job_of(Call& call);
  void pump();
  asio::awaitable<void> run(std::unique_ptr<ShadowJob> job, ShadowHub::Place place);
  asio::awaitable<void> compare(ShadowJob& job, ShadowKind kind);
  asio::awaitable<void> judge(ShadowJob& job, const dialect::ProposedAction& shadow, ShadowPair& pair);
  std::expected<Candidate, ShadowSkip> candidate_for(const ShadowJob& job, const RequestFacts& facts, const catalog::Model* model);
  void measure(const ShadowJob& job, const dialect::ProposedAction& shadow, ShadowPair& pair) const;
  void refused_for_overload();
  void skip(ShadowSkip cause);
  void keep(const ShadowPair& pair);
  void teach(const ShadowJob& job, const ShadowPair& pair);

  ShadowParts parts_;
  ShadowLimits limits_;
  ShadowQueueLimits queue_limits_;
  metrics::Shard& metrics_;
  ShadowHub* hub_;
  Learning* learning_;
  std::uint64_t hash_key_;
  std::deque<std::unique_ptr<ShadowJob>> queue_;
  std::size_t queue_bytes_ = 0;
  Start start_;
  bool closed_ = false;
};

}  // namespace turnpike::gateway
