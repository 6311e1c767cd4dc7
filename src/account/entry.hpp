// The journal's entries. Everything the ledger knows is a fold over them; none is ever changed.
//
// entry := kind seq at epoch lease attempt path model price cause amount ordinal flags tokens usage
// decision detail [tier items]. The last part is written only if one of it is not zero. On disk the
// integers are zigzag varints and the texts are length-prefixed; the
// same fields are the columns of the SQLite table `journal`. `chain` is the CRC32C of these bytes,
// continued from the previous entry's chain, so that an entry changed, dropped or inserted later
// shows (I10).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "turnpike/usage.hpp"

namespace turnpike::account {

/// The numbers are stored: never reuse or renumber one.
enum class EntryKind : std::uint8_t {
  opened = 1,        // a process took the ledger; epoch goes up by one
  name_defined = 2,  // detail: a text (target or cause) that later entries name by this entry's seq
  price_defined = 3,  // detail: price id and rates, likewise
  key_created = 4,
  key_revoked = 5,
  budget_set = 6,
  window_opened = 7,  // a budget's window began: detail names budget, rule and bounds
  path_defined = 8,   // the windows a key's attempts are charged to from now on
  reserve = 9,
  progress = 10,  // tokens: output seen so far
  settle_exact = 11,
  settle_estimated = 12,
  void_ = 13,
  overrun = 14,     // amount above the reservation, right after its settlement
  correction = 15,  // attempt: the entry it corrects; amount is added to that entry's windows
  balance = 16,     // only inside checkpoints: settled amount of a window
  clock_frozen = 17,    // the wall clock jumped: windows stay where they are; detail says by how much
  clock_released = 18,  // it has been steady for long enough, or an operator confirmed it
  key_changed = 19,     // detail: the whole key as it is from now on
  lease_granted = 20,   // replicas: attempt: a window; amount: what may be charged to it in all from now on; lease: its
                        // number in the central ledger; tokens: of the amount, self-granted (nano-credits)
  lease_closed = 21,    // replicas: the window is over and accounted for
};

/// Bits of Entry::flags.
struct EntryFlag {
  static constexpr std::int64_t streaming = 1;
  static constexpr std::int64_t capped = 2;  // reserve: output bound lowered to what was affordable
  static constexpr std::int64_t at_reservation =
      4;  // settle_estimated: nothing better known than the reservation
  static constexpr std::int64_t implausible =
      8;  // settle_estimated: the provider's usage was refused
  static constexpr std::int64_t exposure = 16;  // lease_granted: by the replica to itself, the central ledger being away
  static constexpr std::int64_t prefix_known =
      32;  // reserve: the beginning of the prompt is held at what it was billed before
  static constexpr std::int64_t no_hour_cache =
      64;  // reserve: the request asks for no cache entry that lives an hour; its price is left out
};

struct Entry {
  std::int64_t seq = 0;  // 1, 2, 3, … without gaps: the primary key
  std::int64_t at = 0;   // logical time, microseconds since the epoch; never runs backwards
  EntryKind kind = EntryKind::opened;
  std::int64_t epoch = 0;    // of the process that wrote it
  std::int64_t lease = 0;    // replicas: the lease it was charged to; 0 in an embedded ledger
  std::int64_t attempt = 0;  // ends, progress, overrun: seq of the reserve entry
  std::int64_t path = 0;     // seq of the path_defined entry: which windows are charged
  std::int64_t model = 0;    // seq of a name_defined entry
  std::int64_t price = 0;    // seq of a price_defined entry
  std::int64_t cause = 0;    // seq of a name_defined entry
  std::int64_t amount = 0;   // nano-credits
  std::int64_t ordinal = 0;  // reserve: which attempt of its request, from 1
  std::int64_t flags = 0;
  std::int64_t tokens = 0;  // progress: output so far; reserve: prompt estimate
  std::int64_t tier = 0;    // reserve: seq of a name_defined entry
  Usage usage;  // ends: what was used; reserve: the bounds (input_fresh, output_text, items)
  std::string decision;     // reserve: the request's decision id
  std::string detail;       // rare kinds: lines of key=value
  std::uint32_t chain = 0;

  bool operator==(const Entry&) const = default;
};

/// True for the kinds that end an attempt.
constexpr bool is_end(EntryKind kind) {
  return kind == EntryKind::settle_exact || kind == EntryKind::settle_estimated ||
         kind == EntryKind::void_;
}
std::string_view to_string(EntryKind kind);

/// Appends the bytes of all fields but `chain`.
void encode(const Entry& entry, std::string& out);
/// Reads what encode() wrote; nullopt if these bytes are no entry.
std::optional<Entry> decode(std::string_view bytes);

/// CRC32C of `bytes`, continued from `seed` (the value for what came before).
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);
/// The chain value of an entry that follows one with chain `previous`.
std::uint32_t chain_of(const Entry& entry, std::uint32_t previous);

}  // namespace turnpike::account
