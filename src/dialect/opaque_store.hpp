// Reasoning state that providers want back and chat clients drop: Claude's signed thinking,
// Gemini's thought signatures, DeepSeek's reasoning text. Kept for a while on this side, put back
// by the id of the tool call (or by the visible text of a turn without calls).
//
//   response decoder --put(owner, key)--> [ store ] --find(owner, key)--> request translation
//
// Bounded in bytes and in time; losing an entry costs quality, never correctness: every emitter has
// a documented fallback. Sizes: one Gemini signature is 0.8 KB in the median, 61 KB at most
// (measured, wire-formats "Gemini").
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "turnpike/clock.hpp"

namespace turnpike::dialect {

enum class OpaqueKind : std::uint8_t { claude_thinking, gemini_signature, deepseek_reasoning };

/// One piece of the state, in the order in which the provider sent it.
struct OpaqueBlock {
  enum class Form : std::uint8_t {
    thinking,   // claude: text + signature
    redacted,   // claude: data in `signature`
    signature,  // gemini: base64 in `signature`
    reasoning,  // deepseek: text
  };
  Form form = Form::reasoning;
  std::string text;
  std::string signature;
  /// Where it stood among the visible blocks of its turn: Claude refuses thinking that has moved.
  std::int32_t calls_before = 0;
  bool after_text = false;
  bool operator==(const OpaqueBlock&) const = default;
};

struct OpaqueState {
  std::string vendor;  // provider id that made it: state never goes to another one
  std::string family;  // Candidate::family of the model that made it
  OpaqueKind kind = OpaqueKind::deepseek_reasoning;
  /// Empty is knowledge too: the turn had none.
  std::vector<OpaqueBlock> blocks;
  bool operator==(const OpaqueState&) const = default;
};

struct OpaqueFigures {
  std::size_t entries = 0;
  std::size_t bytes = 0;        // keys and contents, with a flat charge per entry
  std::uint64_t evictions = 0;  // for room; expiries are not counted
};

/// Thread-safe: one mutex, held for a hash look-up and a copy. The clock must outlive the store.
class OpaqueStore {
 public:
  static constexpr std::size_t bytes_max_default = std::size_t{64} << 20U;
  static constexpr std::chrono::hours lifetime_default{24};

  explicit OpaqueStore(const Clock& clock, std::size_t bytes_max = bytes_max_default,
                       std::chrono::seconds lifetime = lifetime_default);

  /// `owner` is the id of the client's key: nobody reads another's state. Replaces what stood under
  /// the key. A state larger than the whole store is not kept.
  void put(std::string_view owner, std::string_view key, OpaqueState state);
  /// A hit makes the entry the youngest and extends its life.
  [[nodiscard]] std::optional<OpaqueState> find(std::string_view owner, std::string_view key) const;
  [[nodiscard]] OpaqueFigures figures() const;

 private:
  struct Entry {
    std::string key;
    OpaqueState state;
    std::size_t bytes;
    Monotonic expires;
  };
  using Entries = std::list<Entry>;  // youngest first
  void drop(Entries::iterator entry) const;

  const Clock& clock_;
  const std::size_t bytes_max_;
  const std::chrono::seconds lifetime_;
  mutable std::mutex mutex_;
  mutable Entries entries_;
  mutable std::unordered_map<std::string_view, Entries::iterator>
      index_;  // keys live in the entries
  mutable std::size_t bytes_ = 0;
  std::uint64_t evictions_ = 0;
};

/// Key for an assistant turn without tool calls: a hash of its visible text, "text:" + 32 hex
/// digits.
std::string turn_key(std::string_view visible_text);

}  // namespace turnpike::dialect
