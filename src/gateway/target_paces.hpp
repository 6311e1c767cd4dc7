// How fast each target answers, how much of its rate limit is left, and how long the answers to each kind of step are.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gateway/rate_headroom.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"
#include "turnpike/facts.hpp"
#include "turnpike/route_inputs.hpp"

namespace turnpike::gateway {

/// Any thread; one mutex, held for a look-up (some 50 ns).
class TargetPaces {
 public:
  static constexpr std::size_t targets_max = 512;  // further ones are not learned
  /// A target that nobody has asked for so long counts as not measured, so that it is tried again where speed decides.
  static constexpr std::chrono::minutes fresh{10};

  struct Sample {
    float first_token_ms = 0;  // from the request's leaving to the first content
    float token_ms = 0;        // per output token after the first; 0: not known
  };
  void learn(std::string_view target, const Sample& sample, Instant now);
  void learn(std::string_view target, const Headroom& headroom);
  /// Fills in first_token_ms, token_ms and headroom of `pace`.
  void fill(TargetPace& pace, Instant now) const;

  /// Lines "pace FIRST TOKEN WEIGHT MICROSECONDS TARGET". What is left of rate limits is not kept.
  [[nodiscard]] std::string serialise() const;
  /// Takes one such line, without its first word. False: it is malformed.
  bool restore_line(std::string_view line);

 private:
  struct Record {
    float first_token_ms = 0;
    float token_ms = 0;
    float weight = 0;
    Instant measured_at{};
    Headroom headroom;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  Record* record_of(std::string_view target);

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Record, Hash, std::equal_to<>> records_;
};

/// Any thread; one mutex, held for a look-up.
class OutputLengths {
 public:
  static constexpr std::size_t policies_max = 32;  // further ones are not learned

  void learn(std::string_view policy, StepKind step, std::int64_t output_tokens);
  /// Mean output of such steps; 0 as long as fewer than 20 were seen.
  [[nodiscard]] float expected(std::string_view policy, StepKind step) const;

  /// Lines "output STEP MEAN WEIGHT POLICY".
  [[nodiscard]] std::string serialise() const;
  bool restore_line(std::string_view line);

 private:
  static constexpr std::size_t kinds = 7;
  struct Mean {
    float value = 0;
    float weight = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::string, std::array<Mean, kinds>, std::less<>> policies_;
};

}  // namespace turnpike::gateway
