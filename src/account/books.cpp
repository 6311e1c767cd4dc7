#include "account/books.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "account/fields.hpp"
#include "turnpike/log.hpp"

namespace turnpike::account {

namespace {

Instant instant_of(std::int64_t micros) { return Instant{std::chrono::microseconds{micros}}; }

// One journalled interval of a stream: what a crash overcharges by at most. Source: reliability
// specification, "Settlement".
constexpr std::int64_t progress_tokens = 256;

Error unknown_key(std::string_view id) {
  return client_error("unknown_key", "no key has the id " + quoted_for_message(id), "id", 404);
}

}  // namespace

Books::Books(const LedgerOptions& options, const Clock& clock, Bell& bell)
    : options_(options),
      clock_(clock),
      bell_(bell),
      space_(options.directory, options.space_reserve_bytes) {}

bool Books::restore(const Checkpoint& checkpoint, const Store::Tail& tail) {
  tail_ = tail;
  return std::all_of(checkpoint.state.begin(), checkpoint.state.end(),
                     [this](const Entry& entry) { return balances_.apply(entry); });
}

bool Books::replay(const Entry& entry) {
  if (entry.seq != tail_.seq + 1 || entry.chain != chain_of(entry, tail_.chain)) return false;
  if (!balances_.apply(entry)) return false;
  tail_ = {entry.seq, entry.at, entry.epoch, entry.chain};
  last_ = entry;
  ++since_checkpoint_;
  return true;
}

Result<std::int64_t> Books::start() {
  const std::lock_guard lock{mutex_};
  stamp();
  if (auto opened = front_.open(options_.directory); !opened)
    return std::unexpected{opened.error()};
  ++tail_.epoch;
  Entry opened;
  opened.kind = EntryKind::opened;
  if (options_.replica) {
    Fields fields;
    fields.add("replica", options_.replica->name);
    opened.detail = fields.str();
  }
  if (!append(opened, Append::may_fail)) {
    return std::unexpected{
        gateway_error(503, "store_read_only",
                      "cannot write to the front journal in " + options_.directory.string())};
  }
  complete_overrun();
  return close_abandoned();
}

/// A settlement and its overrun are appended under one lock, but a kill may fall between the two
/// writes.
void Books::complete_overrun() {
  const auto settled = last_;
  if (settled.kind != EntryKind::settle_exact && settled.kind != EntryKind::settle_estimated)
    return;
  if ((settled.flags & EntryFlag::at_reservation) != 0) return;
  const auto* price = balances_.find_price(settled.price);
  const auto cost =
      price == nullptr ? Result<Credits>{Credits{}} : charge(price->quote, settled.usage);
  if (!cost || cost->nano() <= settled.amount) return;
  Entry overrun;
  overrun.kind = EntryKind::overrun;
  overrun.attempt = settled.attempt;
  overrun.path = settled.path;
  overrun.model = settled.model;
  overrun.price = settled.price;
  overrun.amount = cost->nano() - settled.amount;
  append(overrun, Append::must_happen);
}

std::int64_t Books::close_abandoned() {
  const auto cause = balances_.attempts().empty() ? 0 : intern("process_died", Append::must_happen);
  std::vector<std::int64_t> open;
  for (const auto& [seq, attempt] : balances_.attempts()) open.push_back(seq);
  std::sort(open.begin(), open.end());
  for (const auto seq : open) {
    const auto& attempt = *balances_.find_attempt(seq);
    Entry end;
    end.kind = EntryKind::settle_estimated;
    end.attempt = seq;
    end.path = attempt.path->id;
    end.model = attempt.model;
    end.price = attempt.price->id;
    end.cause = cause;
    end.usage.input_fresh = attempt.prompt_estimate;
    end.usage.output_text = attempt.output_seen + progress_tokens;
    const auto guess = charge(attempt.price->quote, end.usage);
    const bool streaming = (attempt.flags & EntryFlag::streaming) != 0;
    if (streaming && guess && *guess < attempt.held) {
      end.amount = guess->nano();
    } else {
      end.amount = attempt.held.nano();
      end.flags = EntryFlag::at_reservation;
    }
    append(std::move(end), Append::must_happen);
    ++figures_.estimated;
  }
  return static_cast<std::int64_t>(open.size());
}

/// Logical time: the wall clock, but never backwards. Read once per operation, so that an attempt's
/// windows and its entry agree on the instant of admission (I8).
void Books::stamp() {
  const auto wall = clock_.now();
  const auto monotonic = clock_.monotonic();
  const auto change = clock_guard_.observe(wall, monotonic);
  at_ = std::max(tail_.at, clock_guard_.time(wall, monotonic).time_since_epoch().count());
  if (change != ClockGuard::Change::none) note_clock(change, "clock");
}

Instant Books::time() {
  const std::lock_guard lock{mutex_};
  stamp();
  return instant_of(at_);
}

/// As stamp() would have it, for questions.
Instant Books::logical_now() const {
  return std::max(instant_of(tail_.at), clock_guard_.time(clock_.now(), clock_.monotonic()));
}

void Books::note_clock(ClockGuard::Change change, std::string_view by) {
  const bool froze = change == ClockGuard::Change::frozen;
  const auto offset_s = std::chrono::duration_cast<std::chrono::seconds>(clock_guard_.offset()).count();
  log(froze ? LogLevel::error : LogLevel::warn, froze ? "clock_frozen" : "clock_released", {{"offset_s", offset_s}});
  Fields fields;
  fields.add("by", by);
  fields.add("offset_s", offset_s);
  Entry entry;
  entry.kind = froze ? EntryKind::clock_frozen : EntryKind::clock_released;
  entry.detail = fields.str();
  append(std::move(entry), Append::must_happen);
}

Result<void> Books::confirm_clock(std::string_view by) {
  const std::lock_guard lock{mutex_};
  stamp();
  if (!clock_guard_.frozen()) {
    return std::unexpected{client_error("clock_not_frozen", "the clock is not frozen; there is nothing to confirm", {}, 409)};
  }
  clock_guard_.confirm(clock_.now(), clock_.monotonic());
  note_clock(ClockGuard::Change::released, by);
  return {};
}

bool Books::append(Entry entry, Append mode) {
  entry.seq = tail_.seq + 1;
  entry.at = at_;
  entry.epoch = tail_.epoch;
  entry.chain = chain_of(entry, tail_.chain);
  if (!put_in_front(entry, mode) && mode == Append::may_fail) return false;
  tail_ = {entry.seq, entry.at, entry.epoch, entry.chain};
  ++since_checkpoint_;
  if (!balances_.apply(entry)) {
    log(LogLevel::error, "ledger_entry_refused",
        {{"entry", entry.seq}, {"kind", to_string(entry.kind)}});
  }
  if (pending_.empty()) {
    oldest_pending_at_ = entry.at;
    bell_.ring();
  } else if (pending_.size() + 1 == options_.batch_entries_max) {
    bell_.ring_urgently();
  }
  if (leases_.on() && entry.ordinal == 0) {
    if (auto made = definition_in(entry)) {
      leases_.last_definition = made->seq;
      leases_.outbox.push_back(*std::move(made));
      leases_.keeper->ring_urgently();
    }
  }
  pending_.push_back(std::move(entry));
  return true;
}

/// On a full disk the reserve of space is for what must happen; what may fail does.
bool Books::put_in_front(const Entry& entry, Append mode) {
  if (front_broken()) return false;
  int fault = front_.append(entry);
  if (means_disk_full(fault)) {
    space_gone();
    if (mode == Append::may_fail) return false;
    fault = front_.append(entry);
  }
  if (fault == 0) return true;
  log(LogLevel::error, "ledger_front_failed", {{"message", std::string_view{std::strerror(fault)}}});
  ++figures_.store_errors;
  stop(Stop::front);
  bell_.ring();
  return false;
}

std::int64_t Books::intern(const std::string& text, Append mode) {
  if (text.empty()) return 0;
  if (const auto known = balances_.find_name(text); known != 0) return known;
  Entry entry;
  entry.kind = EntryKind::name_defined;
  entry.detail = text;
  return append(std::move(entry), mode) ? tail_.seq : 0;
}

const PinnedPrice* Books::pin(const PriceQuote& quote) {
  if (const auto* known = balances_.find_price(quote)) return known;
  Entry entry;
  entry.kind = EntryKind::price_defined;
  entry.detail = price_detail(quote);
  return append(std::move(entry), Append::may_fail) ? balances_.find_price(tail_.seq) : nullptr;
}

void Books::progress(std::int64_t attempt, std::int64_t output_tokens) {
  const std::lock_guard lock{mutex_};
  stamp();
  if (balances_.find_attempt(attempt) == nullptr) return;
  Entry entry;
  entry.kind = EntryKind::progress;
  entry.attempt = attempt;
  entry.tokens = output_tokens;
  append(std::move(entry), Append::must_happen);
}

bool Books::end(const Reservation::State& attempt, const AttemptEnd& end) {
  const std::lock_guard lock{mutex_};
  stamp();
  const auto* open = balances_.find_attempt(attempt.entry);
  if (open == nullptr) {
    ++figures_.conflicts;
    return false;
  }
  Entry entry;
  entry.kind = end.kind;
  entry.attempt = attempt.entry;
  entry.path = open->path->id;
  entry.model = attempt.model;
  entry.price = attempt.price->id;
  entry.cause = intern(std::string{end.cause}, Append::must_happen);
  entry.amount = std::min(end.cost, attempt.held).nano();
  entry.flags = end.flags;
  entry.usage = end.usage;
  Entry overrun;
  overrun.kind = EntryKind::overrun;
  overrun.attempt = attempt.entry;
  overrun.path = entry.path;
  overrun.model = entry.model;
  overrun.price = entry.price;
  overrun.amount = end.cost.nano() - entry.amount;
  append(std::move(entry), Append::must_happen);
  if (overrun.amount > 0) {
    append(std::move(overrun), Append::must_happen);
    ++figures_.overruns;
  }
  figures_.settled += end.cost;
  figures_.reserved -= attempt.held;
  if (end.kind == EntryKind::settle_estimated) ++figures_.estimated;
  if ((end.flags & EntryFlag::implausible) != 0) ++figures_.implausible;
  return true;
}

void Books::count_conflict(std::string_view attempt_id) {
  log(LogLevel::error, "ledger_conflict", {{"attempt", attempt_id}});
  const std::lock_guard lock{mutex_};
  ++figures_.conflicts;
}

Result<void> Books::create_key(const KeyInfo& key) {
  const std::lock_guard lock{mutex_};
  stamp();
  Entry entry;
  entry.kind = EntryKind::key_created;
  entry.detail = key_detail(key);
  if (append(std::move(entry), Append::may_fail)) return {};
  return std::unexpected{
      gateway_error(503, "ledger_unavailable", "the ledger cannot be written; no key was made")};
}

Result<void> Books::change_key(std::string_view key_id, std::string_view by,
                               const std::function<Result<void>(KeyInfo&, Instant now)>& apply) {
  const std::lock_guard lock{mutex_};
  stamp();
  const auto& keys = balances_.keys();
  const auto found = std::find_if(keys.begin(), keys.end(),
                                  [&](const KeyInfo& key) { return key.account.key_id == key_id; });
  if (found == keys.end()) return std::unexpected{unknown_key(key_id)};
  if (found->revoked) {
    return std::unexpected{client_error("key_revoked", "a revoked key cannot be changed", "id", 409)};
  }
  KeyInfo changed = *found;
  if (auto done = apply(changed, instant_of(at_)); !done) return done;
  changed.changed_by = by;
  Entry entry;
  entry.kind = EntryKind::key_changed;
  entry.detail = key_detail(changed);
  if (append(std::move(entry), Append::may_fail)) return {};
  return std::unexpected{
      gateway_error(503, "ledger_unavailable", "the ledger cannot be written; the key is unchanged")};
}

Result<void> Books::revoke_key(std::string_view key_id, std::string_view by) {
  const std::lock_guard lock{mutex_};
  stamp();
  const auto& keys = balances_.keys();
  const auto found = std::find_if(keys.begin(), keys.end(),
                                  [&](const KeyInfo& key) { return key.account.key_id == key_id; });
  if (found == keys.end()) return std::unexpected{unknown_key(key_id)};
  if (found->revoked) return {};
  Fields fields;
  fields.add("key", key_id);
  fields.add("by", by);
  Entry entry;
  entry.kind = EntryKind::key_revoked;
  entry.detail = fields.str();
  // Revoking must not wait for a disk to recover: it holds in memory at once.
  append(std::move(entry), Append::must_happen);
  return {};
}

Result<void> Books::set_budget(const BudgetSettings& settings) {
  const std::lock_guard lock{mutex_};
  stamp();
  const auto* known = balances_.find_budget(settings.budget);
  const BudgetSettings before = known == nullptr ? BudgetSettings{} : known->settings;
  if (before.same_limits(settings)) return {};
  Entry entry;
  entry.kind = EntryKind::budget_set;
  entry.detail = budget_detail(settings);
  if (append(std::move(entry), Append::may_fail)) return {};
  return std::unexpected{gateway_error(503, "ledger_unavailable",
                                       "the ledger cannot be written; the budget is unchanged")};
}

Result<void> Books::correct(const Entry& settled, Credits amount, const std::string& detail) {
  const std::lock_guard lock{mutex_};
  stamp();
  Entry entry;
  entry.kind = EntryKind::correction;
  entry.attempt = settled.attempt;
  entry.path = settled.path;
  entry.model = settled.model;
  entry.price = settled.price;
  entry.amount = amount.nano();
  entry.detail = detail;
  if (append(std::move(entry), Append::may_fail)) return {};
  return std::unexpected{gateway_error(503, "ledger_unavailable",
                                       "the ledger cannot be written; nothing was corrected")};
}

std::vector<KeyInfo> Books::keys() const {
  const std::lock_guard lock{mutex_};
  return balances_.keys();
}

std::vector<BudgetState> Books::budgets() const {
  const std::lock_guard lock{mutex_};
  const auto instant = logical_now();
  std::vector<BudgetState> states;
  for (const auto& budget : balances_.budgets()) {
    const auto& settings = budget->settings;
    if (settings.lifted() || budget->name.starts_with(conversation_prefix)) continue;
    BudgetState state{budget->name,
                      settings.frozen,
                      settings.concurrency_max,
                      settings.request_cost_max,
                      settings.conversation_max,
                      settings.by,
                      settings.why,
                      budget->open,
                      {}};
    for (const auto& rule : budget->rules) {
      if (rule->lifted) continue;
      const auto span = span_at(rule->rule, instant);
      WindowState window{rule->rule, {}, {}, span.start, span.end, rule->level, {}};
      if (rule->rule.kind == WindowKind::rolling) {
        window.start = instant - rule->rule.duration;
        window.end.reset();
      }
      for (const auto* live : rule->live) {
        if (expired(rule->rule, live->span, instant)) continue;
        window.settled += live->settled;
        window.reserved += live->reserved;
        window.elsewhere = rule->lease.elsewhere;
      }
      state.windows.push_back(std::move(window));
    }
    states.push_back(std::move(state));
  }
  return states;
}

LedgerFigures Books::figures() const {
  std::int64_t stored = 0;
  {
    const std::lock_guard lock{stored_mutex_};
    stored = stored_;
  }
  const std::lock_guard lock{mutex_};
  auto figures = figures_;
  figures.entries = tail_.seq;
  figures.entries_durable = stored;
  figures.front_bytes = front_.bytes();
  figures.attempts_open = static_cast<std::int64_t>(balances_.attempts().size());
  figures.writable = writable();
  figures.clock_frozen = clock_guard_.frozen();
  figures.disk_full = short_of_space();
  if (stored < tail_.seq) {
    const auto now = logical_now().time_since_epoch().count();
    figures.lag = std::chrono::microseconds{std::max<std::int64_t>(0, now - oldest_pending_at_)};
  }
  return figures;
}

std::int64_t Books::last_seq() const {
  const std::lock_guard lock{mutex_};
  return tail_.seq;
}

}  // namespace turnpike::account
