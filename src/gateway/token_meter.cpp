#include "gateway/token_meter.hpp"

#include <algorithm>
#include <cmath>

namespace turnpike::gateway {
namespace {

/// Below this the frame around the texts outweighs them.
constexpr std::int64_t bytes_worth_learning = 400;
/// A provider that bills less or more than this per byte counts something else.
constexpr double ratio_min = 0.05;
constexpr double ratio_max = 1.5;

}  // namespace

void TokenMeter::learn(std::string_view target, const RequestFacts& facts, std::int64_t billed_tokens) {
  if (facts.text_bytes < bytes_worth_learning || facts.images > 0 || facts.needs.documents || facts.needs.audio) return;
  const double ratio = static_cast<double>(billed_tokens) / static_cast<double>(facts.text_bytes);
  if (ratio < ratio_min || ratio > ratio_max) return;
  const std::lock_guard lock{mutex_};
  Ratio& known = ratios_[std::string{target}];
  known.weight = std::min(known.weight + 1, memory);
  known.value += (ratio - known.value) / known.weight;
  known.recent.add((billed_tokens * 1024 + facts.text_bytes - 1) / facts.text_bytes);
}

std::int64_t TokenMeter::calibrated_per_kib(std::string_view target) const {
  constexpr std::int64_t byte_by_byte = 1024;
  const std::lock_guard lock{mutex_};
  const auto known = ratios_.find(target);
  if (known == ratios_.end() || known->second.recent.size() < bills_needed) return byte_by_byte;
  return std::min(byte_by_byte, (known->second.recent.percentile_99() * 11 + 9) / 10);
}

double TokenMeter::tokens_per_byte(std::string_view target) const {
  const std::lock_guard lock{mutex_};
  const auto known = ratios_.find(target);
  return known == ratios_.end() ? tokens_per_byte_default : known->second.value;
}

double TokenMeter::learned_tokens_per_byte(std::string_view target) const {
  const std::lock_guard lock{mutex_};
  const auto known = ratios_.find(target);
  return known == ratios_.end() ? 0 : known->second.value;
}

std::int64_t TokenMeter::estimate(std::string_view target, const RequestFacts& facts, const BilledPrompt* previous,
                                  std::int64_t tokens_per_image) const {
  const double ratio = tokens_per_byte(target);
  double bytes = static_cast<double>(facts.text_bytes);
  double tokens = static_cast<double>(facts.images * tokens_per_image) / 2;
  const bool continues = previous != nullptr && previous->tokens > 0 && previous->target == target &&
                         previous->text_bytes <= facts.text_bytes;
  if (continues) {
    bytes -= static_cast<double>(previous->text_bytes);
    tokens = static_cast<double>(previous->tokens);
  }
  return std::max<std::int64_t>(1, std::llround(tokens + bytes * ratio));
}

}  // namespace turnpike::gateway
