// Reasoning state that providers want back and clients drop: Claude's signed thinking, Gemini's
// thought signatures, DeepSeek's reasoning text. Kept for a while on this side, put back by the id
// of the tool call (or by the visible text of a turn without calls).
//
//   response decoder --put(owner, key)--> [ store ] --find(owner, key)--> request translation
//                                             |
//                                             +--> OpaqueJournal, which outlives the process
//
// Bounded in bytes and in time, as a whole and per owner; losing an entry costs quality, never
// correctness: every emitter has a documented fallback. Sizes: one Gemini signature is 0.8 KB in
// the median, 61 KB at most (measured, wire-formats "Gemini").
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

/// Told what the store gains and loses, so that it can be filled again after a restart. Called on
/// the threads that use the store, outside of its lock: must be quick and thread-safe. Two calls
/// about one key may arrive in another order than they happened; at worst an entry is missing, or
/// one of the past comes back.
class OpaqueJournal {
 public:
  virtual ~OpaqueJournal() = default;
  virtual void on_put(std::string_view owner, std::string_view key, const OpaqueState& state,
                      Instant expires) = 0;
  /// A used entry lives longer. Told at most once in a 24th of the lifetime per entry.
  virtual void on_use(std::string_view owner, std::string_view key, Instant expires) = 0;
  /// Evicted for room. Expiry is not told: the journal knows the instant.
  virtual void on_drop(std::string_view owner, std::string_view key) = 0;
};

/// Thread-safe: one mutex, held for a hash look-up and a copy. The clock must outlive the store.
class OpaqueStore {
 public:
  static constexpr std::size_t bytes_max_default = std::size_t{64} << 20U;
  static constexpr std::chrono::hours lifetime_default{24};
  /// An owner above one share of the bytes makes room out of its own entries first, so that no key
  /// can push out everybody else's.
  static constexpr std::size_t owner_shares = 4;

  explicit OpaqueStore(const Clock& clock, std::size_t bytes_max = bytes_max_default,
                       std::chrono::seconds lifetime = lifetime_default);
  OpaqueStore(const OpaqueStore&) = delete;
  OpaqueStore& operator=(const OpaqueStore&) = delete;

  /// Before the first use by another thread; the journal must outlive every use.
  void journal_to(OpaqueJournal& journal) { journal_ = &journal; }
  /// Before the first put: what a journal kept, the longest-lived first. Nothing is journalled.
  /// False once the store is full; an expired entry is left out.
  bool restore(std::string_view owner, std::string_view key, OpaqueState state, Instant expires);

  /// `owner` is the id of the client's key: nobody reads another's state. Replaces what stood under
  /// the key. A state larger than an owner's share is kept only where nobody else has to make room.
  void put(std::string_view owner, std::string_view key, OpaqueState state);
  /// A hit makes the entry the youngest and extends its life.
  [[nodiscard]] std::optional<OpaqueState> find(std::string_view owner, std::string_view key) const;
  [[nodiscard]] OpaqueFigures figures() const;

 private:
  struct Entry;
  using Entries = std::list<Entry>;  // youngest first
  struct Owner {
    std::string name;
    std::list<Entries::iterator> entries;  // youngest first
    std::size_t bytes = 0;
  };
  struct Entry {
    std::string key;  // owner, NUL, key
    OpaqueState state;
    std::size_t bytes;
    Monotonic expires;
    Monotonic expires_in_journal;
    Owner* owner;                                  // lives in owners_, whose nodes do not move
    std::list<Entries::iterator>::iterator place;  // in the owner's list
  };

  Entries::iterator add(Entries::iterator before, std::string_view owner, Entry entry) const;
  void drop(Entries::iterator entry) const;
  /// Fills `evicted` with joined keys.
  bool make_room(std::string_view owner, std::size_t bytes, std::vector<std::string>& evicted);
  [[nodiscard]] Entries::iterator victim(std::string_view owner, std::size_t bytes) const;
  void note_size(Owner& owner, std::size_t before) const;
  [[nodiscard]] std::size_t share() const { return bytes_max_ / owner_shares; }

  const Clock& clock_;
  const std::size_t bytes_max_;
  const std::chrono::seconds lifetime_;
  OpaqueJournal* journal_ = nullptr;
  mutable std::mutex mutex_;
  mutable Entries entries_;
  mutable std::unordered_map<std::string_view, Entries::iterator>
      index_;  // keys live in the entries
  mutable std::unordered_map<std::string, Owner> owners_;
  mutable std::vector<Owner*> above_share_;  // fewer than owner_shares
  mutable std::size_t bytes_ = 0;
  std::uint64_t evictions_ = 0;
};

/// Key for an answer that its provider keeps: the id under which a client may continue it.
inline std::string response_key(std::string_view response_id) { return "response:" + std::string{response_id}; }

/// Key for an assistant turn without tool calls: a hash of its visible text, "text:" + 32 hex
/// digits.
std::string turn_key(std::string_view visible_text);

}  // namespace turnpike::dialect
