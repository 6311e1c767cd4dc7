#include "account/reservation.hpp"

#include <algorithm>
#include <utility>

#include "account/books.hpp"
#include "turnpike/log.hpp"

namespace turnpike::account {

namespace {

__extension__ using Wide = __int128;

// A stream's progress is journalled this often. Source: reliability specification, "Settlement".
constexpr std::int64_t journal_tokens = 256;
constexpr std::chrono::seconds journal_interval{1};
// Usage that costs more than this many reservations is not believed. Same source.
constexpr std::int64_t believable_reservations = 4;

bool above_context(const Usage& usage, std::int64_t context_tokens) {
  if (context_tokens <= 0) return false;
  Wide total = 0;
  for (const auto count : {usage.input_fresh, usage.input_cache_read, usage.input_cache_write_5m,
                           usage.input_cache_write_1h, usage.output_text, usage.output_reasoning}) {
    total += count;
  }
  return total > context_tokens;
}

bool above_believable(Credits cost, Credits held) {
  return Wide{cost.nano()} > Wide{held.nano()} * believable_reservations;
}

Settlement settlement_of(EntryKind kind) {
  if (kind == EntryKind::settle_exact) return Settlement::settle_exact;
  return kind == EntryKind::void_ ? Settlement::void_ : Settlement::settle_estimated;
}

bool same(const Settled& a, const Settled& b) {
  return a.settlement == b.settlement && a.cost == b.cost && a.cause == b.cause;
}

}  // namespace

Reservation::Reservation(std::unique_ptr<State> state) : state_(std::move(state)) {}

Reservation::Reservation(Reservation&& other) noexcept
    : state_(std::move(other.state_)), settled_(std::move(other.settled_)) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this == &other) return *this;
  close_by_destructor();
  state_ = std::move(other.state_);
  settled_ = std::move(other.settled_);
  return *this;
}

Reservation::~Reservation() { close_by_destructor(); }

// Credits that were not spent go back, whichever way the attempt ended.
void Reservation::close_by_destructor() {
  if (!open()) return;
  if (!state_->dispatched) {
    settle_void("abandoned");
  } else if (state_->streaming) {
    Usage seen;
    seen.input_fresh = state_->prompt_tokens_estimate;
    seen.output_text = state_->output_seen;
    settle_estimated(seen, "abandoned");
  } else {
    settle_at_reservation("abandoned");
  }
}

bool Reservation::ready() const { return state_->books->placed(state_->entry); }

DispatchPermit Reservation::dispatch() {
  if (!ready()) state_->books->wait_stored(state_->entry);
  state_->dispatched = true;
  return DispatchPermit{state_->attempt_id};
}

void Reservation::observe(std::int64_t output_tokens_so_far, Monotonic now) {
  if (!open()) return;
  auto& state = *state_;
  state.output_seen = std::max(state.output_seen, output_tokens_so_far);
  if (!state.journalled_at) state.journalled_at = now;
  const auto unwritten = state.output_seen - state.output_journalled;
  const bool due = unwritten >= journal_tokens ||
                   (unwritten > 0 && now - *state.journalled_at >= journal_interval);
  if (!due) return;
  state.output_journalled = state.output_seen;
  state.journalled_at = now;
  state.books->progress(state.entry, state.output_seen);
}

Settled Reservation::settle_exact(const Usage& usage) {
  const auto cost = any_negative(usage) ? Result<Credits>{std::unexpected{Error{}}}
                                    : charge(state_->price->quote, usage);
  const bool believed = cost && !above_context(usage, state_->context_tokens) &&
                        !above_believable(*cost, state_->held);
  if (believed) return close({EntryKind::settle_exact, *cost, usage, {}, 0});
  log(LogLevel::error, "usage_implausible", {{"attempt", std::string_view{state_->attempt_id}}});
  return close({EntryKind::settle_estimated,
                state_->held,
                {},
                "usage_implausible",
                EntryFlag::at_reservation | EntryFlag::implausible});
}

Settled Reservation::settle_estimated(const Usage& estimate, std::string_view cause) {
  const auto cost = any_negative(estimate) ? Result<Credits>{std::unexpected{Error{}}}
                                       : charge(state_->price->quote, estimate);
  if (!cost) return settle_at_reservation(cause);
  return close({EntryKind::settle_estimated, *cost, estimate, cause, 0});
}

Settled Reservation::settle_at_reservation(std::string_view cause) {
  return close({EntryKind::settle_estimated, state_->held, {}, cause, EntryFlag::at_reservation});
}

Settled Reservation::settle_void(std::string_view cause) {
  return close({EntryKind::void_, {}, {}, cause, 0});
}

/// The first end counts. A second one that says the same changes nothing; one that differs is
/// refused and counted (I4).
Settled Reservation::close(const AttemptEnd& end) {
  Settled settled;
  settled.settlement = settlement_of(end.kind);
  settled.cost = end.cost;
  settled.overrun = std::max(Credits{}, end.cost - state_->held);
  settled.cause = end.cause;
  settled.implausible = (end.flags & EntryFlag::implausible) != 0;
  if (settled_) {
    if (!same(*settled_, settled)) state_->books->count_conflict(state_->attempt_id);
    return *settled_;
  }
  if (!state_->books->end(*state_, end)) {
    log(LogLevel::error, "ledger_conflict", {{"attempt", std::string_view{state_->attempt_id}}});
  }
  settled_ = settled;
  return settled;
}

Credits Reservation::held() const { return state_->held; }
std::optional<std::int64_t> Reservation::output_tokens_cap() const {
  return state_->output_tokens_cap;
}
const std::string& Reservation::attempt_id() const { return state_->attempt_id; }
std::int64_t Reservation::entry() const { return state_->entry; }

}  // namespace turnpike::account
