// The difficulty classifier: one linear layer over hashed word 1-2-grams, counts and trace
// counters, in integers.
//
// Pure and thread-safe after construction; classify() allocates nothing. The same facts give the
// same score on every machine, compiler and run: weights are int8/int32, features are fixed point,
// and no sum is made in floating point.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "classify/footprint.hpp"
#include "classify/online_layer.hpp"
#include "classify/weights.hpp"
#include "turnpike/difficulty.hpp"
#include "turnpike/error.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::classify {

class Classifier {
 public:
  /// The weights that are compiled in.
  static const Classifier& built_in();
  /// Bytes of a weights file (src/classify/weights.hpp has the layout); 500 bad_weights says what
  /// is wrong with them.
  static Result<Classifier> load(std::span<const std::byte> bytes);
  static Result<Classifier> load(const std::filesystem::path& path);

  /// `layer`: what was learned on top; null: the frozen prior alone. `kept`, if asked for, becomes footprint(facts), at
  /// no second scan of the text; it alone allocates.
  [[nodiscard]] Difficulty classify(const RequestFacts& facts, const OnlineLayer* layer = nullptr,
                                    Footprint* kept = nullptr) const;
  /// What a layer learns from, once the outcome of these facts is known.
  [[nodiscard]] Footprint footprint(const RequestFacts& facts) const;

  /// Of a logit in logit_one: rising, in (0, 1).
  [[nodiscard]] float score_at(std::int64_t logit) const;
  /// Score at each percentile 0..100 of the training data: the cold start of the share controller.
  [[nodiscard]] const std::array<float, 101>& quantiles() const { return weights_.quantiles; }
  /// Below it a step is left to the policy's default.
  [[nodiscard]] float confidence_floor() const {
    return static_cast<float>(weights_.confidence_floor) / static_cast<float>(feature_one);
  }
  /// Name of the trained model, for logs and decision records.
  [[nodiscard]] std::string_view version() const { return weights_.version; }
  [[nodiscard]] const Weights& weights() const { return weights_; }

 private:
  explicit Classifier(Weights weights) : weights_(std::move(weights)) {}
  Weights weights_;
};

}  // namespace turnpike::classify
