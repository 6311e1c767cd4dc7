// Credits held for one attempt. Settling cannot be forgotten: the destructor does it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"
#include "turnpike/exchange.hpp"
#include "turnpike/permit.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::account {

class Books;
struct AttemptEnd;
struct PinnedPrice;

/// How an attempt was settled. The same every time it is asked for.
struct Settled {
  Settlement settlement = Settlement::void_;
  Credits cost;              // booked in all, overrun included
  Credits overrun;           // the part above the reservation; it has an entry of its own
  std::string cause;         // why estimated or void; empty if exact
  bool implausible = false;  // the provider's usage could not be true; booked at the reservation,
                             // and an alarm raised
};

/// Move-only; lives on one thread at a time. Must not outlive its Ledger.
class Reservation {
 public:
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  /// Still open: void if never dispatched; else estimated from what observe() saw of a stream, or
  /// at the full reservation for a call that was not streamed. Cause "abandoned".
  ~Reservation();

  /// True when the reserve entry is where LedgerOptions::intent wants it. Only with Intent::disk and
  /// ReserveRequest::may_wait does it take a moment.
  [[nodiscard]] bool ready() const;
  /// From here on the attempt may have cost something. The reserve entry is already in the journal; a
  /// caller that did not wait for ready() waits here.
  [[nodiscard]] DispatchPermit dispatch();
  /// Output tokens seen so far (cumulative, never added). Journalled every 256 tokens or 1 s, so
  /// that a crash overcharges by one such interval at most; between those it costs a comparison.
  void observe(std::int64_t output_tokens_so_far, Monotonic now);

  /// The provider told its usage. Implausible usage is booked as settle_estimated at the
  /// reservation.
  Settled settle_exact(const Usage& usage);
  /// The usage is a guess of the caller's (prompt estimate and forwarded output).
  Settled settle_estimated(const Usage& estimate, std::string_view cause);
  /// Nothing is known but that it may have cost: the whole reservation is booked, as
  /// settle_estimated.
  Settled settle_at_reservation(std::string_view cause);
  /// Certainly nothing was consumed: not connected, not fully sent, or refused by the provider
  /// without usage.
  Settled settle_void(std::string_view cause);

  [[nodiscard]] bool open() const { return state_ != nullptr && !settled_; }
  [[nodiscard]] Credits held() const;
  /// Write this maximum into the upstream request: the full one was not affordable and the client
  /// gave none.
  [[nodiscard]] std::optional<std::int64_t> output_tokens_cap() const;
  /// "<decision id>.<attempt>"
  [[nodiscard]] const std::string& attempt_id() const;
  /// Seq of the reserve entry in the journal.
  [[nodiscard]] std::int64_t entry() const;

  /// What the ledger hands over; made by Books only.
  struct State {
    Books* books = nullptr;
    std::int64_t entry = 0;  // seq of the reserve entry
    std::int64_t model = 0;
    const PinnedPrice* price = nullptr;  // owned by the books, never freed before them
    Credits held;
    std::optional<std::int64_t> output_tokens_cap;
    std::int64_t prompt_tokens_estimate = 0;
    std::int64_t context_tokens = 0;
    bool streaming = false;
    bool dispatched = false;
    std::int64_t output_seen = 0;
    std::int64_t output_journalled = 0;
    std::optional<Monotonic> journalled_at;
    std::string attempt_id;
  };
  explicit Reservation(std::unique_ptr<State> state);

 private:
  Settled close(const AttemptEnd& end);
  void close_by_destructor();

  std::unique_ptr<State> state_;
  std::optional<Settled> settled_;
};

}  // namespace turnpike::account
