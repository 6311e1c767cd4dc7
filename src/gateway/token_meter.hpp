// How many tokens a prompt has, as far as can be known without asking: learned from what providers billed.
//
// Two sources. The conversation's previous step: its billed prompt is exact, only what was added since is estimated.
// Else the model's own ratio of billed tokens to text bytes, learned over all requests; before any, 0.27 tokens a byte.
// Measured error: docs/api-compatibility.md, "Token counting".
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gateway/recent_ratios.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::gateway {

/// A billed prompt, kept with its conversation.
struct BilledPrompt {
  std::string target;           // "provider/model" that billed it
  std::int64_t tokens = 0;      // 0: nothing is known
  std::int64_t text_bytes = 0;  // RequestFacts::text_bytes of the same request
};

/// Thread-safe; one mutex, held for a look-up. As many entries as the catalog has models.
class TokenMeter {
 public:
  static constexpr double tokens_per_byte_default = 0.27;

  /// A prompt with images or documents teaches nothing: their share is unknown.
  void learn(std::string_view target, const RequestFacts& facts, std::int64_t billed_tokens);
  [[nodiscard]] double tokens_per_byte(std::string_view target) const;
  /// The same, but 0 as long as the model has billed nothing.
  [[nodiscard]] double learned_tokens_per_byte(std::string_view target) const;
  /// Tokens per KiB of text for a bound that only about one prompt in a hundred exceeds: the 99th percentile of the last
  /// 10,000 bills x 1.1, at most 1024. 1024, a token per byte, until `bills_needed` have been seen.
  [[nodiscard]] std::int64_t calibrated_per_kib(std::string_view target) const;
  static constexpr std::size_t bills_needed = 200;
  /// At least 1. `tokens_per_image` is what the model charges for one at most; half of it is assumed.
  [[nodiscard]] std::int64_t estimate(std::string_view target, const RequestFacts& facts,
                                      const BilledPrompt* previous, std::int64_t tokens_per_image) const;

 private:
  struct Ratio {
    double value = tokens_per_byte_default;
    double weight = 0;  // requests seen, at most `memory`
    RecentRatios recent;
  };
  static constexpr double memory = 64;

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Ratio, Hash, std::equal_to<>> ratios_;
};

}  // namespace turnpike::gateway
