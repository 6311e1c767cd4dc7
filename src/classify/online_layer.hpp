// What is learned from outcomes: a linear residual over the features of the prior, and a scale of the prior itself.
//
//   logit = scale * prior + bias + sum of weight * feature
//
// One AdaGrad step per outcome, towards "the weak model fails" and, where both outcomes are known, "the strong one does
// better". Integers only, one correctly rounded square root apart: the same outcomes in the same order give the same
// weights on every machine and compiler, and the same weights give the same score.
//
// Any number of threads may score while one learns: weights are relaxed atomics, so that a score during a step may see
// some of its weights moved and others not, which is as good as either.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "classify/footprint.hpp"
#include "turnpike/error.hpp"

namespace turnpike::classify {

/// What became of a step. Outcomes are 0..1; graded ones are welcome.
struct Lesson {
  float weak_failed = 0;
  std::optional<float> strong_right;  // the strong model's outcome on the same prompt
  float weight = 1;                   // 0..1: how much the evidence is worth
};

class OnlineLayer {
 public:
  OnlineLayer();

  /// In logit_one. Allocates nothing.
  [[nodiscard]] std::int64_t logit(const FootprintView& footprint) const;
  /// One step. Callers see to it that one thread learns at a time.
  void learn(const FootprintView& footprint, const Lesson& lesson);

  [[nodiscard]] std::uint64_t lessons() const { return lessons_.load(std::memory_order_relaxed); }
  /// Of the prior, in logit_one: 1 as shipped, less where the prior is of little use.
  [[nodiscard]] std::int32_t scale() const { return scale_.weight.load(std::memory_order_relaxed) >> 8; }

  /// By name of feature, in logits per unit; for people.
  [[nodiscard]] std::vector<std::pair<std::string_view, double>> weights() const;
  /// Buckets with a weight of their own.
  [[nodiscard]] std::size_t ngrams_touched() const;

  /// layer := lessons:u64 (weight:i32 squares:u64){dense+2} used:u32 (bucket:u16 weight:i32 squares:u32)*, little-endian.
  /// Buckets that nothing has touched are left out.
  void write(std::string& out) const;
  /// Takes what write() gave off the front of `in`; false leaves the layer in an unknown state.
  [[nodiscard]] bool read(std::span<const std::byte>& in);

 private:
  struct Dense {
    std::atomic<std::int32_t> weight{0};  // in weight_one
    std::uint64_t squares = 0;            // of the gradients so far, in weight_one
  };
  struct Sparse {
    std::atomic<std::int32_t> weight{0};
    std::uint32_t squares = 0;
  };
  static void step(Dense& place, std::int64_t gradient, std::int64_t rate, std::uint64_t first_squares);
  static void step(Sparse& place, std::int64_t gradient);

  Dense scale_;
  Dense bias_;
  std::array<Dense, dense_features> dense_;
  std::unique_ptr<std::array<Sparse, learned_buckets>> ngrams_;
  std::atomic<std::uint64_t> lessons_{0};
};

/// 1 / (1 + exp(-logit)), both in logit_one; straight lines between quarter logits.
std::int32_t logistic(std::int64_t logit);

}  // namespace turnpike::classify
