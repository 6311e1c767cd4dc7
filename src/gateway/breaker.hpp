// Whether one backend - a model of a provider, reached with one of its keys - is to be asked. Source: reliability
// specification, "Health of backends": ejected after 5 failures in a row, or half of at least 20 in 30 s, for 30 s times
// the number of ejections (at most 300 s, +-10 %); then one probe.
//
//   ok --failures--> ejected --its time is over, or nothing else is left--> probing --+--> ok
//                       ^------------------------------------------------------------+ (a failure ejects anew)
#pragma once

#include <chrono>
#include <cstdint>

#include "turnpike/clock.hpp"

namespace turnpike::gateway {

/// Names (to_string) are metric values and words of the operator's page.
enum class BackendState : std::uint8_t { ok, probing, ejected };
std::string_view to_string(BackendState state);

/// Time in, verdict out; not synchronised.
class Breaker {
 public:
  static constexpr std::chrono::milliseconds early_wait_first{1'000};
  static constexpr std::chrono::milliseconds early_wait_max{30'000};

  [[nodiscard]] BackendState state() const { return state_; }
  /// An ejected backend whose time is over may be asked once.
  [[nodiscard]] bool probe_due(Monotonic now) const { return state_ == BackendState::ejected && now >= until_; }
  /// Where every candidate is ejected, the least recently ejected one is asked before its time: at once after a first
  /// ejection, and after each such probe that failed twice as long later. Each probe but the first thus belongs to an
  /// ejection of its own, and an outage costs its provider a request in 30 s.
  [[nodiscard]] bool early_probe_due(Monotonic now) const { return state_ == BackendState::ejected && now >= early_from_; }
  void begin_probe(Monotonic now);

  void succeeded(Monotonic now, bool probe);
  /// `percent` (90 to 110) spreads the probes of several gateways.
  void failed(Monotonic now, bool probe, std::int64_t percent);
  /// An answer that nobody can use. One client's tools can bring five of them in a row upon a model that serves all others,
  /// so they count in the share of failures alone.
  void unusable(Monotonic now, bool probe, std::int64_t percent);
  /// The probe ended without telling anything: the next request is the probe.
  void probe_told_nothing();

  [[nodiscard]] Monotonic ejected_at() const { return ejected_at_; }
  /// When the next probe may go, early or not.
  [[nodiscard]] Monotonic next_probe() const;
  [[nodiscard]] std::uint32_t ejections() const { return ejections_; }
  [[nodiscard]] std::uint32_t probes() const { return probes_; }

 private:
  void count(bool failure, Monotonic now);
  [[nodiscard]] bool half_fail() const;
  void eject(Monotonic now, std::int64_t percent);

  BackendState state_ = BackendState::ok;
  bool early_ = false;  // the probe under way was before its time
  std::uint32_t failures_in_row_ = 0;
  std::uint32_t ejections_ = 0;  // in all
  std::uint32_t probes_ = 0;     // likewise
  std::uint32_t severity_ = 0;   // ejections since it was last well for long
  Monotonic ejected_at_{};
  Monotonic until_{};
  Monotonic early_from_{};
  std::chrono::milliseconds early_wait_{0};
  Monotonic readmitted_at_{};
  Monotonic span_start_{};  // of the 30 s in which outcomes are counted
  std::uint32_t span_outcomes_ = 0;
  std::uint32_t span_failures_ = 0;
};

}  // namespace turnpike::gateway
