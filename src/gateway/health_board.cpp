#include "gateway/health_board.hpp"

#include <algorithm>

namespace turnpike::gateway {
namespace {

constexpr std::uint32_t failures_in_row_max = 5;
constexpr std::uint32_t span_outcomes_min = 20;
constexpr std::chrono::seconds span{30};
constexpr std::chrono::seconds ejection_step{30};
constexpr std::chrono::seconds ejection_max{300};

}  // namespace

Health HealthBoard::health_of(const Record& record, Monotonic now) {
  // Once its time is over the target stands in its own place again; the first failure then ejects it for longer.
  return record.ejected && now < record.ejected_until ? Health::ejected : Health::ok;
}

HealthView HealthBoard::view() {
  if (all_ok_.load(std::memory_order_relaxed)) return {};
  const Monotonic now = clock_.monotonic();
  std::vector<std::pair<std::string, Health>> troubled;
  const std::lock_guard lock{mutex_};
  for (const auto& [target, record] : records_) {
    if (const auto health = health_of(record, now); health != Health::ok) troubled.emplace_back(target, health);
  }
  return HealthView{std::move(troubled)};
}

void HealthBoard::succeeded(std::string_view target) {
  if (all_ok_.load(std::memory_order_relaxed)) return;
  const Monotonic now = clock_.monotonic();
  const std::lock_guard lock{mutex_};
  const auto found = records_.find(std::string{target});
  if (found == records_.end()) return;
  count(found->second, false, now);
  found->second.failures_in_row = 0;
  found->second.ejected = false;
  all_ok_.store(std::ranges::all_of(records_, [now](const auto& entry) {
    return health_of(entry.second, now) == Health::ok;
  }), std::memory_order_relaxed);
}

void HealthBoard::failed(std::string_view target) {
  const Monotonic now = clock_.monotonic();
  const std::lock_guard lock{mutex_};
  all_ok_.store(false, std::memory_order_relaxed);
  Record& record = records_[std::string{target}];
  count(record, true, now);
  ++record.failures_in_row;
  const bool half_fail = record.span_outcomes >= span_outcomes_min && record.span_failures * 2 >= record.span_outcomes;
  const bool probe_failed = record.ejected && now >= record.ejected_until;
  if (probe_failed || (!record.ejected && (record.failures_in_row >= failures_in_row_max || half_fail))) {
    eject(record, now);
  }
}

void HealthBoard::count(Record& record, bool failure, Monotonic now) const {
  if (now - record.span_start > span) {
    record.span_start = now;
    record.span_outcomes = 0;
    record.span_failures = 0;
  }
  ++record.span_outcomes;
  if (failure) ++record.span_failures;
}

void HealthBoard::eject(Record& record, Monotonic now) {
  record.ejected = true;
  ++record.ejections;
  const auto full = std::min<std::chrono::milliseconds>(ejection_step * record.ejections, ejection_max);
  // 90 to 110 %, so that several gateways do not probe at one instant.
  const auto percent = 90 + static_cast<std::int64_t>(randomness_.next() % 21);
  record.ejected_until = now + full * percent / 100;
}

std::vector<HealthBoard::State> HealthBoard::states() {
  const Monotonic now = clock_.monotonic();
  const std::lock_guard lock{mutex_};
  std::vector<State> states;
  states.reserve(records_.size());
  for (const auto& [target, record] : records_) {
    states.push_back({target, health_of(record, now), record.ejections});
  }
  return states;
}

}  // namespace turnpike::gateway
