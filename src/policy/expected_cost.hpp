// What a step, and the likely rest of its conversation, would cost on a target: dated prices, what its cache is expected to
// give, its own tokenizer, the likely length of answer and conversation. Pure; money in integers, chances as observed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "catalog/catalog.hpp"
#include "policy/policy.hpp"
#include "policy/situation.hpp"

namespace turnpike::policy {

/// One target, as this conversation would find it.
struct Prospect {
  const catalog::Model* model = nullptr;
  const catalog::RateTable* rates = nullptr;  // in force now; of the catalog
  bool marked = false;                        // what is new in a prompt is written to the cache, at a price of its own
  std::int64_t prompt = 0;                    // tokens of this step's prompt, counted by this target
  std::int64_t held = 0;                      // of those, in its cache as last observed
  std::int64_t readable = 0;                  // of those, expected to be there still
  std::int64_t growth = 0;                    // tokens that a step adds to the prompt
  float cache_hit = 1;                        // as TargetPace has it
};

class CostOutlook {
 public:
  /// Borrows all three.
  CostOutlook(const Policy& policy, const catalog::Catalog& catalog, const Situation& situation);

  /// nullopt: not on sale now.
  [[nodiscard]] std::optional<Prospect> prospect(const catalog::Model& model, std::string_view target) const;
  /// This step, with so many tokens of its prompt read from the cache.
  [[nodiscard]] Credits step(const Prospect& prospect, std::int64_t cached) const { return cost(prospect, prospect.prompt, cached, output_); }
  /// The steps after this one, which find their prompts in the cache but for what each adds.
  [[nodiscard]] Credits later_steps(const Prospect& prospect, std::int64_t steps) const;
  /// So many tokens of further output.
  [[nodiscard]] Credits more_output(const Prospect& prospect, std::int64_t tokens) const;

  /// Likely further steps of the conversation after this one.
  [[nodiscard]] std::int64_t steps_after() const { return steps_after_; }
  [[nodiscard]] std::int64_t output_tokens() const { return output_; }

  /// About the median of an agent's step, until a policy's own answers tell more.
  static constexpr std::int64_t output_tokens_default = 600;

 private:
  [[nodiscard]] Credits cost(const Prospect& prospect, std::int64_t prompt, std::int64_t cached, std::int64_t output) const;
  [[nodiscard]] std::int64_t growth_bytes() const;

  const catalog::Catalog& catalog_;
  const Situation& s_;
  std::int64_t steps_after_ = 0;
  std::int64_t output_ = output_tokens_default;
};

/// The learned pace of a target, or null.
const TargetPace* pace_of(const RouteInputs& inputs, std::string_view target);

/// Tokens of the prompt as one guesses before any provider has counted: a quarter of its bytes.
std::int64_t likely_prompt_tokens(const RequestFacts& facts);

}  // namespace turnpike::policy
