#include "account/verifier.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "account/calendar.hpp"
#include "account/fields.hpp"

namespace turnpike::account {

namespace {

std::string span_key(const WindowRule& rule) {
  return fmt::format("{} {} {}", to_string(rule.kind), rule.zone, rule.duration.count());
}

Instant instant_of(const Entry& entry) { return Instant{std::chrono::microseconds{entry.at}}; }

Credits amount_of(const Entry& entry) { return Credits::from_nano(entry.amount); }

}  // namespace

bool Verifier::feed(const Entry& entry) {
  if (report_.violation) return false;
  ++report_.entries;
  check_sequence(entry);
  if (!report_.violation) check_owed(entry);
  if (!report_.violation) dispatch(entry);
  if (!report_.violation) compare_checkpoint(entry);
  seq_ = entry.seq;
  at_ = entry.at;
  chain_ = entry.chain;
  return report_.ok();
}

VerifyReport Verifier::finish() {
  report_.attempts = static_cast<std::int64_t>(attempts_.size());
  report_.attempts_open = static_cast<std::int64_t>(open_.size());
  for (const auto seq : open_) report_.reserved += attempts_[seq].held;
  return report_;
}

void Verifier::fail(const Entry& entry, std::string invariant, std::string message) {
  if (report_.violation) return;
  report_.violation = Violation{entry.seq, std::move(invariant), std::move(message)};
}

void Verifier::check_sequence(const Entry& entry) {
  if (entry.seq != seq_ + 1) {
    fail(entry, "I10", fmt::format("entries {} to {} are missing", seq_ + 1, entry.seq - 1));
  } else if (entry.chain != chain_of(entry, chain_)) {
    fail(entry, "I10", "the entry, or the one before it, was changed after it was written");
  } else if (entry.at < at_) {
    fail(entry, "I8", "time runs backwards");
  } else if (entry.kind == EntryKind::opened ? entry.epoch <= epoch_ : entry.epoch != epoch_) {
    fail(entry, "I7", fmt::format("epoch {} after epoch {}", entry.epoch, epoch_));
  }
}

/// A settlement above its reservation is followed at once by its overrun; only a crash may put an
/// `opened` between.
void Verifier::check_owed(const Entry& entry) {
  if (!owed_ || entry.kind == EntryKind::opened) return;
  const bool pays = entry.kind == EntryKind::overrun && entry.attempt == owed_->attempt;
  if (!pays) {
    fail(entry, "I6",
         fmt::format("the overrun of {} credits of attempt {} has no entry",
                     to_string(owed_->amount), owed_->attempt));
  }
}

void Verifier::dispatch(const Entry& entry) {
  switch (entry.kind) {
    case EntryKind::opened:
      epoch_ = entry.epoch;
      leasing_ = !Fields{entry.detail}.text("replica").empty();
      abandoned_ = open_.size();
      return;
    case EntryKind::name_defined:
      names_.emplace(entry.seq, entry.detail);
      return;
    case EntryKind::price_defined: {
      auto price = parse_price(entry.detail);
      if (!price) return fail(entry, "I9", "the price cannot be read");
      prices_.emplace(entry.seq, *std::move(price));
      return;
    }
    case EntryKind::key_created:
    case EntryKind::key_revoked:
      return key_entry(entry);
    case EntryKind::budget_set:
      return budget_set(entry);
    case EntryKind::window_opened:
      return window_opened(entry);
    case EntryKind::path_defined:
      return path_defined(entry);
    case EntryKind::reserve:
      return reserve(entry);
    case EntryKind::progress:
      return progress(entry);
    case EntryKind::settle_exact:
    case EntryKind::settle_estimated:
    case EntryKind::void_:
      return end(entry);
    case EntryKind::overrun:
      return overrun(entry);
    case EntryKind::correction:
      return correction(entry);
    case EntryKind::clock_frozen:
    case EntryKind::clock_released:
      return;
    case EntryKind::key_changed:
      return key_entry(entry);
    case EntryKind::lease_granted:
    case EntryKind::lease_closed:
      return lease(entry);
    case EntryKind::balance:
      break;
  }
  fail(entry, "I10", "an entry of this kind does not belong into a journal");
}

void Verifier::key_entry(const Entry& entry) {
  const auto id = Fields{entry.detail}.text("key");
  if (entry.kind == EntryKind::key_created) {
    if (!parse_key(entry.detail, instant_of(entry)))
      return fail(entry, "I10", "the key cannot be read");
    if (!keys_.emplace(id, false).second) fail(entry, "I10", "a key of this id exists already");
    return;
  }
  const auto key = keys_.find(id);
  if (key == keys_.end() || key->second)
    return fail(entry, "I10", "changes or revokes a key that is not there");
  if (entry.kind == EntryKind::key_changed) {
    if (!parse_key(entry.detail, instant_of(entry))) fail(entry, "I10", "the key cannot be read");
    return;
  }
  key->second = true;
}

void Verifier::budget_set(const Entry& entry) {
  const auto detail = parse_budget(entry.detail);
  if (!detail) return fail(entry, "I10", "the budget cannot be read");
  const auto& name = detail->settings.budget;
  if (name.starts_with(conversation_prefix) && detail->settings.lifted()) {
    return conversation_lifted(entry, name);
  }
  auto& limits = budgets_[name];
  for (auto& [key, limit] : limits) limit.in_force = false;
  if (detail->settings.conversation_max) {
    conversations_capped_.insert(detail->settings.budget);
  } else {
    conversations_capped_.erase(detail->settings.budget);
  }
  for (const auto& rule : detail->settings.windows) {
    auto& limit = limits[span_key(rule)];
    limit.rule = rule;
    limit.in_force = true;
  }
}

/// The cap of an idle conversation is forgotten: should it go on, it has a window of its own again.
void Verifier::conversation_lifted(const Entry& entry, const std::string& name) {
  for (const auto& [key, limit] : budgets_[name]) {
    for (const auto id : limit.windows) {
      if (windows_[id].reserved != Credits{}) fail(entry, "I5", fmt::format("lifts {} while attempts are open", name));
    }
  }
  budgets_.erase(name);
}

void Verifier::window_opened(const Entry& entry) {
  auto detail = parse_window(entry.detail);
  if (!detail) return fail(entry, "I8", "the window cannot be read");
  const auto budget = budgets_.find(detail->budget);
  const auto key = span_key(detail->rule);
  if (budget == budgets_.end() || !budget->second.contains(key)) {
    return fail(entry, "I8",
                fmt::format("opens a window of budget {} that was never set", detail->budget));
  }
  const auto& span = detail->span;
  if (instant_of(entry) < span.start || (span.end && instant_of(entry) >= *span.end)) {
    return fail(entry, "I8",
                fmt::format("opens a window of budget {} that does not contain its instant",
                            detail->budget));
  }
  auto& limit = budget->second[key];
  for (const auto known : limit.windows) {
    const auto& end = windows_[known].detail.span.end;
    if (!end || span.start < *end) {
      return fail(entry, "I8",
                  fmt::format("opens a window of budget {} before the last one ends: a reset",
                              detail->budget));
    }
  }
  std::erase_if(limit.windows, [&](std::int64_t known) {
    return expired(detail->rule, windows_[known].detail.span, detail->span.start);
  });
  limit.windows.push_back(entry.seq);
  windows_.emplace(entry.seq, Window{key, *std::move(detail), {}, {}});
}

void Verifier::path_defined(const Entry& entry) {
  auto path = parse_path(entry.detail);
  if (!path) return fail(entry, "I2", "the path cannot be read");
  for (const auto window : path->windows) {
    if (!windows_.contains(window))
      return fail(entry, "I2", fmt::format("names window {}, which is not there", window));
  }
  paths_.emplace(entry.seq, *std::move(path));
}

void Verifier::reserve(const Entry& entry) {
  const auto path = paths_.find(entry.path);
  if (path == paths_.end()) return fail(entry, "I2", "charged to a path that is not there");
  if (entry.amount < 0) return fail(entry, "I1", "a negative reservation");
  if (abandoned_ > 0) {
    return fail(entry, "I7",
                fmt::format("admitted while {} attempts of a dead process had no end", abandoned_));
  }
  reserve_bound(entry);
  if (report_.violation) return;
  charge_path(entry.path, {}, amount_of(entry));
  attempts_.emplace(entry.seq,
                    Attempt{amount_of(entry), entry.path, entry.price, entry.model, entry.epoch});
  open_.insert(entry.seq);
  reserve_windows(entry, path->second);
}

/// I2: one window of every rule in force on the path, and only those. I8: the one of this instant.
/// I1: within limits.
void Verifier::reserve_windows(const Entry& entry, const PathDetail& path) {
  std::size_t due = 0;
  const auto charged = charged_path(entry, path);
  if (report_.violation) return;
  for (const auto& name : budgets_of(charged)) {
    if (conversations_capped_.contains(name) && path.conversation.empty()) {
      return fail(entry, "I2", fmt::format("budget {} caps conversations and the path names none", name));
    }
    const auto budget = budgets_.find(name);
    if (budget == budgets_.end()) continue;
    for (const auto& [key, limit] : budget->second) {
      if (!limit.in_force) continue;
      ++due;
      reserve_window(entry, path, name, key, limit);
    }
  }
  if (due != path.windows.size()) fail(entry, "I2", "charged to a window that is not in force");
}

/// The path with the target and tier of the reserve entry itself: budgets with a filter are due
/// whether or not the path was told of them.
PathDetail Verifier::charged_path(const Entry& entry, const PathDetail& path) {
  auto charged = path;
  const auto& target = names_.at(entry.model);
  const auto slash = target.find('/');
  charged.provider = target.substr(0, slash);
  charged.model = slash == std::string::npos ? std::string{} : target.substr(slash + 1);
  if (const auto tier = names_.find(entry.tier); tier != names_.end()) charged.tier = tier->second;
  const bool same = path.provider.empty() || (path.provider == charged.provider && path.model == charged.model &&
                                              path.tier == charged.tier);
  if (!same) fail(entry, "I2", "charged to the path of another target");
  return charged;
}

void Verifier::reserve_window(const Entry& entry, const PathDetail& path, const std::string& budget,
                              const std::string& key, const Limit& limit) {
  const auto charged = std::find_if(path.windows.begin(), path.windows.end(), [&](std::int64_t id) {
    const auto& window = windows_[id];
    return window.detail.budget == budget && window.rule == key;
  });
  if (charged == path.windows.end()) {
    return fail(entry, "I2", fmt::format("not charged to the {} window of budget {}", key, budget));
  }
  const auto& span = windows_[*charged].detail.span;
  if (instant_of(entry) < span.start || (span.end && instant_of(entry) >= *span.end)) {
    return fail(
        entry, "I8",
        fmt::format("charged to a window of budget {} that does not contain its instant", budget));
  }
  Credits used;
  for (const auto id : limit.windows) used += windows_[id].settled + windows_[id].reserved;
  if (used > limit.rule.limit) {
    fail(entry, "I1",
         fmt::format("budget {} holds {} of {} credits", budget, to_string(used),
                     to_string(limit.rule.limit)));
  }
  const auto& window = windows_[*charged];
  const bool by_lease = leasing_ && !budget.starts_with(conversation_prefix);
  if (by_lease && window.settled + window.reserved > window.leased) {
    fail(entry, "I1",
         fmt::format("a window of budget {} holds {} credits on a lease of {}", budget,
                     to_string(window.settled + window.reserved), to_string(window.leased)));
  }
}

void Verifier::lease(const Entry& entry) {
  const auto window = windows_.find(entry.attempt);
  if (window == windows_.end()) return fail(entry, "I2", "a lease of a window that is not there");
  const auto used = window->second.settled + window->second.reserved;
  if (!leasing_) return fail(entry, "I1", "a lease in the journal of a single gateway");
  if (entry.amount < 0 || entry.tokens < 0) return fail(entry, "I1", "a negative lease");
  // An overrun or a correction may pass the lease; the lease itself never shrinks below what is used.
  if (amount_of(entry) < std::min(used, window->second.leased)) {
    return fail(entry, "I1", "a lease given back although it is in use");
  }
  window->second.leased = amount_of(entry);
}

/// I9: what is reserved follows from the pinned price and the bounds in the entry.
void Verifier::reserve_bound(const Entry& entry) {
  const auto price = prices_.find(entry.price);
  if (price == prices_.end()) return fail(entry, "I9", "no price is pinned");
  if (!names_.contains(entry.model)) return fail(entry, "I9", "the target is not there");
  const auto classes =
      (entry.flags & EntryFlag::no_hour_cache) != 0 ? InputClasses::no_hour_cache : InputClasses::all;
  const auto bound =
      charge_bound(price->second, entry.usage.input_fresh, entry.usage.output_text, entry.usage.items, classes);
  if (!bound || *bound != amount_of(entry)) {
    fail(entry, "I9", "the reservation is not what its price and bounds give");
  }
}

Verifier::Attempt* Verifier::open_attempt(const Entry& entry) {
  const auto found = attempts_.find(entry.attempt);
  if (found == attempts_.end()) {
    fail(entry, "I4", fmt::format("names attempt {}, which is not there", entry.attempt));
    return nullptr;
  }
  return &found->second;
}

void Verifier::progress(const Entry& entry) {
  auto* attempt = open_attempt(entry);
  if (attempt == nullptr) return;
  if (attempt->ended)
    return fail(entry, "I4", fmt::format("progress of attempt {} after its end", entry.attempt));
  if (entry.tokens < attempt->tokens) return fail(entry, "I10", "progress goes backwards");
  attempt->tokens = entry.tokens;
}

void Verifier::end(const Entry& entry) {
  auto* attempt = open_attempt(entry);
  if (attempt == nullptr) return;
  if (attempt->ended)
    return fail(entry, "I4", fmt::format("attempt {} ends a second time", entry.attempt));
  if (entry.path != attempt->path)
    return fail(entry, "I8", "settled to other windows than were reserved");
  if (entry.price != attempt->price)
    return fail(entry, "I9", "settled at another price than was pinned");
  if (entry.model != attempt->model)
    return fail(entry, "I10", "settled for another target than was reserved");
  end_amount(entry, *attempt);
  if (report_.violation) return;
  attempt->ended = true;
  if (attempt->epoch < epoch_) --abandoned_;
  open_.erase(entry.attempt);
  charge_path(entry.path, amount_of(entry), -attempt->held);
  report_.settled += amount_of(entry);
  if (entry.kind == EntryKind::settle_estimated) ++report_.estimated;
}

void Verifier::end_amount(const Entry& entry, const Attempt& attempt) {
  const auto amount = amount_of(entry);
  if (entry.kind == EntryKind::void_) {
    if (entry.amount != 0) fail(entry, "I4", "a void end with an amount");
    return;
  }
  if (amount < Credits{} || amount > attempt.held) {
    return fail(entry, "I6", "an amount above the reservation outside an overrun entry");
  }
  if ((entry.flags & EntryFlag::at_reservation) != 0) {
    if (entry.kind == EntryKind::settle_exact)
      return fail(entry, "I9", "an exact settlement without usage");
    if (amount != attempt.held)
      fail(entry, "I9", "an estimate at the reservation that is not the reservation");
    return;
  }
  if (any_negative(entry.usage)) return fail(entry, "I9", "negative usage");
  const auto cost = turnpike::charge(prices_.at(attempt.price), entry.usage);
  if (!cost || std::min(*cost, attempt.held) != amount) {
    return fail(entry, "I9", "the amount is not usage times the pinned price");
  }
  if (*cost > attempt.held) owed_ = Owed{entry.attempt, *cost - attempt.held};
}

void Verifier::overrun(const Entry& entry) {
  if (!owed_ || owed_->attempt != entry.attempt)
    return fail(entry, "I6", "an overrun without a settlement before it");
  if (owed_->amount != amount_of(entry))
    return fail(entry, "I6", "an overrun of another amount than was used");
  const auto& attempt = attempts_.at(entry.attempt);
  if (entry.path != attempt.path)
    return fail(entry, "I8", "booked to other windows than were reserved");
  owed_.reset();
  charge_path(entry.path, amount_of(entry), {});
  report_.settled += amount_of(entry);
  ++report_.overruns;
}

void Verifier::correction(const Entry& entry) {
  const auto attempt = attempts_.find(entry.attempt);
  if (attempt == attempts_.end() || !attempt->second.ended) {
    return fail(entry, "I10", "a correction that names no settled attempt");
  }
  const Fields fields{entry.detail};
  if (fields.text("by").empty() || fields.text("why").empty()) {
    return fail(entry, "I10", "a correction without who and why");
  }
  std::vector<std::int64_t> windows;
  for (const auto& line : fields.all("window")) {
    const auto id = parse_numbers(line);
    if (id && id->size() == 1) windows.push_back(id->front());
  }
  if (windows != paths_.at(attempt->second.path).windows) {
    return fail(entry, "I8", "corrects other windows than were charged");
  }
  for (const auto id : windows) windows_[id].settled += amount_of(entry);
  report_.settled += amount_of(entry);
}

void Verifier::charge_path(std::int64_t path, Credits settled, Credits reserved) {
  for (const auto id : paths_.at(path).windows) {
    auto& window = windows_[id];
    window.settled += settled;
    window.reserved += reserved;
  }
}

/// I5: the balances the running ledger kept are those the journal gives.
void Verifier::compare_checkpoint(const Entry& entry) {
  if (!checkpoint_ || checkpoint_->seq != entry.seq) return;
  std::size_t open = 0;
  for (const auto& kept : checkpoint_->state) {
    if (kept.kind == EntryKind::balance) {
      const auto window = windows_.find(kept.attempt);
      if (window == windows_.end() || window->second.settled != amount_of(kept)) {
        return fail(entry, "I5",
                    fmt::format("the checkpoint's balance of window {} is not the journal's",
                                kept.attempt));
      }
    }
    if (kept.kind != EntryKind::reserve) continue;
    ++open;
    if (!open_.contains(kept.seq) || attempts_[kept.seq].held != amount_of(kept)) {
      return fail(entry, "I5",
                  fmt::format("the checkpoint holds attempt {}, the journal does not", kept.seq));
    }
  }
  if (open != open_.size()) fail(entry, "I5", "the checkpoint lacks an open attempt");
}

}  // namespace turnpike::account
