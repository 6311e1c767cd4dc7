// What a conversation's prompts were billed, and how much of the next prompt is known by that. Pure
// values.
//
//   billed:  [ head | m1 m2 m3 m4 ]        = 61,204 tokens, as the provider says
//   next:    [ head | m1 m2 m3 m4 | m5 m6 ] <= 61,204 + bytes of m5 and m6 + what is new in its
//   translation
//
// Without that each byte counts as a token, three to four times what providers bill. Source:
// reliability specification, "Admission". See docs/ledger.md, "What a request reserves".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "turnpike/facts.hpp"

namespace turnpike::gateway {

/// The pieces of kept state that translation put into a prompt, in their order, as one value.
struct PutBackSum {
  std::size_t count = 0;
  std::int64_t bytes = 0;
  std::uint64_t hash = 0;  // over the sizes

  /// Bytes of `sizes` that are not the beginning summed up here: all of them if they begin
  /// differently.
  [[nodiscard]] std::int64_t fresh_bytes(const std::vector<std::int64_t>& sizes) const;
  bool operator==(const PutBackSum&) const = default;
};
PutBackSum sum_of(const std::vector<std::int64_t>& sizes);

/// What goes to the provider beyond what the client wrote.
struct Additions {
  std::int64_t growth = 0;  // bytes of the body upstream - bytes of the client's; may be negative
  std::vector<std::int64_t> put_back;  // dialect::PutBack::sizes
};

/// One prompt and its bill.
struct BilledStep {
  static constexpr std::size_t ends_max = 4;

  std::string target;       // "provider/model" that billed it: another one may count otherwise
  std::int64_t tokens = 0;  // all input classes
  PromptHash head;
  /// The ends of its last messages, the last first: where a harness rewrites its newest message,
  /// those before it still match.
  std::array<PromptMark, ends_max> ends{};
  std::uint8_t end_count = 0;
  std::int64_t growth = 0;
  PutBackSum put_back;
  bool continued = false;  // a later one begins with all of it
};
BilledStep billed_step(std::string target, const RequestFacts& facts, const Additions& additions,
                       std::int64_t tokens);

/// How bytes become tokens where nothing better is known, and what cannot be counted in bytes.
struct BoundRates {
  std::int64_t tokens_per_kib = 1024;  // 1024: a token per byte, which no tokenizer exceeds
  std::int64_t tokens_per_media = 0;   // the model's maximum for an image or a file
};

struct PromptBound {
  std::int64_t tokens = 0;
  std::int64_t known = 0;  // of those, billed before; 0: nothing is known
  bool operator==(const PromptBound&) const = default;
};

/// The bound without any knowledge.
PromptBound plain_bound(const RequestFacts& facts, const Additions& additions,
                        const BoundRates& rates);

/// Of one conversation. Bounded: the newest step of each of several branches (agents at work side
/// by side), and a few of the steps that these continue, for clients that go back.
class BilledPrompts {
 public:
  static constexpr std::size_t steps_max = 12;
  static constexpr std::size_t continued_max = 3;

  /// `facts` are of the step's own request.
  void add(BilledStep step, const RequestFacts& facts);
  /// The least bound that a billed step or none gives.
  [[nodiscard]] PromptBound bound(std::string_view target, const RequestFacts& facts,
                                  const Additions& additions, const BoundRates& rates) const;
  [[nodiscard]] const std::vector<BilledStep>& steps() const { return steps_; }

 private:
  std::vector<BilledStep> steps_;  // the oldest first
};

}  // namespace turnpike::gateway
