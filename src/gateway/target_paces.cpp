#include "gateway/target_paces.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/state_line.hpp"

namespace turnpike::gateway {
namespace {

constexpr float pace_memory = 16;  // answers
constexpr float output_memory = 500;
constexpr float outputs_needed = 20;
constexpr float ms_max = 3'600'000;
constexpr float tokens_max = 10'000'000;

}  // namespace

TargetPaces::Record* TargetPaces::record_of(std::string_view target) {
  auto found = records_.find(target);
  if (found == records_.end()) {
    if (records_.size() >= targets_max) return nullptr;
    found = records_.emplace(std::string{target}, Record{}).first;
  }
  return &found->second;
}

void TargetPaces::learn(std::string_view target, const Sample& sample, Instant now) {
  if (!(sample.first_token_ms > 0 && sample.first_token_ms <= ms_max)) return;
  const std::lock_guard lock{mutex_};
  Record* record = record_of(target);
  if (record == nullptr) return;
  if (now - record->measured_at > fresh) record->weight = 0;
  record->measured_at = now;
  record->weight = std::min(record->weight + 1, pace_memory);
  record->first_token_ms += (sample.first_token_ms - record->first_token_ms) / record->weight;
  if (!(sample.token_ms > 0 && sample.token_ms <= ms_max)) return;
  if (record->token_ms <= 0) record->token_ms = sample.token_ms;
  record->token_ms += (sample.token_ms - record->token_ms) / record->weight;
}

void TargetPaces::learn(std::string_view target, const Headroom& headroom) {
  const std::lock_guard lock{mutex_};
  if (Record* record = record_of(target)) record->headroom = headroom;
}

void TargetPaces::fill(TargetPace& pace, Instant now) const {
  const std::lock_guard lock{mutex_};
  const auto found = records_.find(pace.target);
  if (found == records_.end()) return;
  const Record& record = found->second;
  if (record.weight > 0 && now - record.measured_at <= fresh) {
    pace.first_token_ms = record.first_token_ms;
    pace.token_ms = record.token_ms;
  }
  if (now < record.headroom.until) pace.headroom = record.headroom.left;
}

std::string TargetPaces::serialise() const {
  std::string text;
  const std::lock_guard lock{mutex_};
  for (const auto& [target, record] : records_) {
    if (record.weight <= 0) continue;
    text += fmt::format("pace {} {} {} {} {}\n", record.first_token_ms, record.token_ms, record.weight,
                        record.measured_at.time_since_epoch().count(), target);
  }
  return text;
}

bool TargetPaces::restore_line(std::string_view line) {
  StateLine words{line};
  Record read;
  read.first_token_ms = words.number(0, ms_max);
  read.token_ms = words.number(0, ms_max);
  read.weight = words.number(0, pace_memory);
  read.measured_at = Instant{std::chrono::microseconds{words.integer(0, INT64_MAX)}};
  const auto target = words.rest();
  if (!words.good() || target.empty()) return false;
  const std::lock_guard lock{mutex_};
  if (Record* record = record_of(target)) *record = read;
  return true;
}

void OutputLengths::learn(std::string_view policy, StepKind step, std::int64_t output_tokens) {
  const auto tokens = static_cast<float>(output_tokens);
  if (!(tokens > 0 && tokens <= tokens_max)) return;
  const std::lock_guard lock{mutex_};
  auto found = policies_.find(policy);
  if (found == policies_.end()) {
    if (policies_.size() >= policies_max) return;
    found = policies_.emplace(std::string{policy}, std::array<Mean, kinds>{}).first;
  }
  Mean& mean = found->second[static_cast<std::size_t>(step)];
  mean.weight = std::min(mean.weight + 1, output_memory);
  mean.value += (tokens - mean.value) / mean.weight;
}

float OutputLengths::expected(std::string_view policy, StepKind step) const {
  const std::lock_guard lock{mutex_};
  const auto found = policies_.find(policy);
  if (found == policies_.end()) return 0;
  const Mean& mean = found->second[static_cast<std::size_t>(step)];
  return mean.weight < outputs_needed ? 0 : mean.value;
}

std::string OutputLengths::serialise() const {
  std::string text;
  const std::lock_guard lock{mutex_};
  for (const auto& [policy, means] : policies_) {
    for (std::size_t i = 0; i < kinds; ++i) {
      if (means[i].weight > 0) text += fmt::format("output {} {} {} {}\n", i, means[i].value, means[i].weight, policy);
    }
  }
  return text;
}

bool OutputLengths::restore_line(std::string_view line) {
  StateLine words{line};
  const auto step = words.integer(0, kinds - 1);
  const auto value = words.number(0, tokens_max);
  const auto weight = words.number(0, output_memory);
  const auto policy = words.rest();
  if (!words.good() || policy.empty()) return false;
  const std::lock_guard lock{mutex_};
  if (policies_.size() >= policies_max && !policies_.contains(policy)) return true;
  policies_[std::string{policy}][static_cast<std::size_t>(step)] = {value, weight};
  return true;
}

}  // namespace turnpike::gateway
