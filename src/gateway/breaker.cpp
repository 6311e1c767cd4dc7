#include "gateway/breaker.hpp"

#include <algorithm>
#include <array>

namespace turnpike::gateway {
namespace {

constexpr std::uint32_t failures_in_row_max = 5;
constexpr std::uint32_t span_outcomes_min = 20;
constexpr std::chrono::seconds span{30};
constexpr std::chrono::seconds ejection_step{30};
constexpr std::chrono::seconds ejection_max{300};
constexpr std::chrono::seconds forgiven_after{600};  // well for so long: earlier ejections do not lengthen the next

}  // namespace

std::string_view to_string(BackendState state) {
  static constexpr std::array<std::string_view, 3> names{"ok", "probing", "ejected"};
  return names.at(static_cast<std::size_t>(state));
}

void Breaker::begin_probe(Monotonic now) {
  early_ = now < until_;
  state_ = BackendState::probing;
  ++probes_;
}

Monotonic Breaker::next_probe() const { return std::min(until_, early_from_); }

void Breaker::succeeded(Monotonic now, bool probe) {
  // What began before the ejection and ends well now tells of the past.
  if (state_ != BackendState::ok && !probe) return;
  count(false, now);
  failures_in_row_ = 0;
  if (state_ == BackendState::ok) return;
  state_ = BackendState::ok;
  early_wait_ = {};
  readmitted_at_ = now;
  span_outcomes_ = span_failures_ = 0;  // the failures that ejected it do not eject it again
}

void Breaker::failed(Monotonic now, bool probe, std::int64_t percent) {
  if (state_ != BackendState::ok) {
    if (probe) eject(now, percent);
    return;
  }
  count(true, now);
  ++failures_in_row_;
  if (failures_in_row_ >= failures_in_row_max || half_fail()) eject(now, percent);
}

void Breaker::unusable(Monotonic now, bool probe, std::int64_t percent) {
  if (state_ != BackendState::ok) return failed(now, probe, percent);
  count(true, now);
  if (half_fail()) eject(now, percent);
}

bool Breaker::half_fail() const { return span_outcomes_ >= span_outcomes_min && span_failures_ * 2 >= span_outcomes_; }

void Breaker::probe_told_nothing() {
  if (state_ == BackendState::probing) state_ = BackendState::ejected;
}

void Breaker::count(bool failure, Monotonic now) {
  if (now - span_start_ > span) {
    span_start_ = now;
    span_outcomes_ = 0;
    span_failures_ = 0;
  }
  ++span_outcomes_;
  if (failure) ++span_failures_;
}

void Breaker::eject(Monotonic now, std::int64_t percent) {
  const bool again = state_ == BackendState::probing;
  if (!again && severity_ > 0 && now - readmitted_at_ > forgiven_after) severity_ = 0;
  // An early probe was nobody's idea but ours: its failure begins the ejection anew and does not lengthen it.
  if (!again || !early_) ++severity_;
  early_wait_ = again ? std::clamp(early_wait_ * 2, early_wait_first, early_wait_max) : std::chrono::milliseconds{0};
  state_ = BackendState::ejected;
  early_ = false;
  ++ejections_;
  failures_in_row_ = 0;
  ejected_at_ = now;
  const auto full = std::min<std::chrono::milliseconds>(ejection_step * severity_, ejection_max);
  until_ = now + full * percent / 100;
  early_from_ = now + early_wait_;
}

}  // namespace turnpike::gateway
