// Books as one replica of several, the keeper's side: what to ask of the central ledger for each
// rule, and what its answers change.
#include <algorithm>

#include "account/books.hpp"
#include "account/definitions.hpp"

namespace turnpike::account {

namespace {

// A window's successor is leased so much before it begins; rolling buckets, which may be shorter,
// one bucket ahead.
constexpr std::chrono::seconds ahead_max{5};
// After an answer that nothing more is to be had, reservations are refused at once for so long.
constexpr std::chrono::milliseconds denial_lasts{250};
// What was given back to others is not taken again in advance for so long.
constexpr std::chrono::seconds quiet{1};

/// The window that is open at `now`; nullptr if none has been opened yet.
Window* current_window(const Rule& rule, Instant now) {
  if (rule.live.empty()) return nullptr;
  auto* last = rule.live.back();
  return !last->span.end || now < *last->span.end ? last : nullptr;
}

Window* window_of(const Rule& rule, const Span& span) {
  const auto found = std::find_if(rule.live.begin(), rule.live.end(),
                                  [&](const Window* window) { return window->span == span; });
  return found == rule.live.end() ? nullptr : *found;
}

}  // namespace

void Books::keep_leases(ReplicaOptions options, Bell& keeper) {
  const std::lock_guard lock{mutex_};
  leases_.options = std::move(options);
  leases_.keeper = &keeper;
  for (const auto& [id, window] : balances_.windows()) {
    if (!window->lease_open) continue;
    window->rule->lease.windows.push_back(id);
    watch(*window->rule);
  }
}

void Books::central_heard(Monotonic good_until) {
  const std::lock_guard lock{mutex_};
  leases_.good_until = good_until;
  leases_.reachable = true;
}

void Books::central_lost(bool superseded) {
  const std::lock_guard lock{mutex_};
  leases_.reachable = false;
  leases_.superseded = leases_.superseded || superseded;
}

void Books::recall(const std::vector<WindowName>& windows) {
  const std::lock_guard lock{mutex_};
  for (const auto& name : windows) {
    auto* budget = balances_.find_budget(name.budget);
    if (budget == nullptr) continue;
    for (const auto& rule : budget->rules) {
      if (!same_span(rule->rule, name.rule)) continue;
      rule->lease.give_back = true;
      rule->lease.quiet_until = clock_.monotonic() + quiet;
    }
  }
}

/// Rules that appeared, were lifted or have another limit since the last look. Leases for all known
/// budgets are taken at once, so that no first request waits.
void Books::look_for_rules(Monotonic now) {
  if (leases_.generation == balances_.generation()) return;
  leases_.generation = balances_.generation();
  for (const auto& budget : balances_.budgets()) {
    for (const auto& rule : budget->rules) {
      auto& course = rule->lease;
      if (rule->lifted || !by_lease(*rule) || course.limit_told == rule->rule.limit) continue;
      course.give_back = rule->rule.limit < course.limit_told;
      course.limit_told = rule->rule.limit;
      course.used_at = now;
      course.low = true;
      watch(*rule);
    }
  }
}

std::vector<Books::LeaseQuestion> Books::lease_questions(std::size_t first, std::size_t count) {
  const std::lock_guard lock{mutex_};
  stamp();
  const Instant now{std::chrono::microseconds{at_}};
  const auto mono = clock_.monotonic();
  if (first == 0) look_for_rules(mono);
  std::vector<LeaseQuestion> questions;
  for (auto at = first; at < std::min(first + count, leases_.watched.size()); ++at) {
    auto& rule = *leases_.watched[at];
    ask_opened(rule, now, mono, questions);
    ask_early(rule, now, mono, questions);
    rule.lease.give_back = false;
  }
  return questions;
}

std::size_t Books::rules_watched() const {
  const std::lock_guard lock{mutex_};
  return leases_.watched.size();
}

void Books::forget_idle_rules() {
  const std::lock_guard lock{mutex_};
  const auto now = clock_.monotonic();
  std::erase_if(leases_.watched, [&](Rule* rule) {
    auto& course = rule->lease;
    const bool idle = rule->lifted || now - course.used_at > leases_.options->idle;
    if (!idle || !course.windows.empty() || !course.early.empty()) return false;
    course.watched = false;
    return true;
  });
}

void Books::ask_opened(Rule& rule, Instant now, Monotonic mono,
                       std::vector<LeaseQuestion>& questions) {
  auto& course = rule.lease;
  auto* current = rule.lifted ? nullptr : current_window(rule, now);
  std::erase_if(course.windows, [&](std::int64_t id) {
    const auto* window = balances_.find_window(id);
    return window == nullptr || !window->lease_open;
  });
  const bool unleased = current != nullptr && !current->lease_open;
  if (unleased && mono - course.used_at <= leases_.options->idle)
    course.windows.push_back(current->id);
  for (const auto id : course.windows) {
    auto& window = *balances_.find_window(id);
    if (auto question = question_about(window, &window == current, mono))
      questions.push_back(*std::move(question));
  }
}

std::optional<Books::LeaseQuestion> Books::question_about(Window& window, bool current,
                                                          Monotonic mono) {
  auto& rule = *window.rule;
  auto& course = rule.lease;
  const bool wanted = current && mono < course.wanted_until;
  const bool idle = mono - course.used_at > leases_.options->idle;
  const auto covered = window.leased - window.exposed;
  const auto used = window.used();
  const bool too_much =
      !current || idle || (course.give_back && !wanted) || rule.rule.limit < covered;
  const auto keep = too_much ? used : std::max(covered, used);
  const bool last = !current && window.reserved == Credits{} && (window.span.end || rule.lifted);
  const bool wants = wanted || (current && !idle && course.low && mono >= course.quiet_until);
  if (keep < covered && window.exposed == Credits{}) {
    // Ours first: what is given back must not be used when the central ledger hears of it.
    append(lease_entry(window, keep, {}), Append::must_happen);
    window.told.reset();
  }
  const bool news = wants || last || window.told != window.settled || window.exposed != Credits{};
  if (!news || (!window.lease_open && !wants)) return std::nullopt;
  LeaseQuestion question;
  question.rule = &rule;
  question.window = window.id;
  question.current = current;
  auto& ask = question.ask;
  ask.window = {rule.budget->name, rule.rule, window.span};
  ask.settled = window.settled;
  ask.used = used;
  ask.keep = keep;
  ask.exposed = std::max(Credits{}, used - covered);
  ask.last = last;
  if (wanted) {
    const auto lacking = [&](Credits whole) { return std::max(Credits{}, whole - (keep - used)); };
    ask.wants = LeaseAsk::Want{lacking(course.want), lacking(course.least)};
  } else if (wants) {
    ask.wants = LeaseAsk::Want{};
  }
  return question;
}

/// Leases for windows that nobody has opened yet: the present one before its first request, and the
/// next.
void Books::ask_early(Rule& rule, Instant now, Monotonic mono,
                      std::vector<LeaseQuestion>& questions) {
  auto& course = rule.lease;
  const bool idle = rule.lifted || mono - course.used_at > leases_.options->idle;
  const auto ask = [&](const Span& span, bool wants) {
    LeaseQuestion question;
    question.rule = &rule;
    question.ask.window = {rule.budget->name, rule.rule, span};
    question.ask.last = !wants;
    if (wants) question.ask.wants = LeaseAsk::Want{};
    questions.push_back(std::move(question));
  };
  std::erase_if(course.early, [&](const LeaseCourse::Early& early) {
    const bool over = idle || course.give_back || (early.span.end && *early.span.end <= now);
    if (over) ask(early.span, false);
    return over;
  });
  if (idle || mono < course.quiet_until) return;
  const auto lease_early = [&](const Span& span) {
    const bool known =
        window_of(rule, span) != nullptr ||
        std::ranges::any_of(course.early, [&](const auto& early) { return early.span == span; });
    if (!known) ask(span, true);
  };
  const auto present = span_at(rule.rule, now);
  if (current_window(rule, now) == nullptr) lease_early(present);
  if (!present.end) return;
  const auto ahead = std::min<std::chrono::microseconds>(ahead_max, *present.end - present.start);
  if (*present.end - now <= ahead) lease_early(span_at(rule.rule, *present.end));
}

void Books::lease_answered(const LeaseQuestion& question, const LeaseGrant& grant) {
  const std::lock_guard lock{mutex_};
  stamp();
  if (question.rule == nullptr) return;  // an unknown lease, given back
  auto& rule = *question.rule;
  auto& course = rule.lease;
  auto* window = question.window != 0 ? balances_.find_window(question.window)
                                      : window_of(rule, question.ask.window.span);
  if (window == nullptr) {
    const bool kept = question.window == 0 && question.ask.wants.has_value();
    if (kept)
      course.early.push_back(
          {question.ask.window.span, grant.lease, grant.amount, grant.elsewhere});
    return;
  }
  if (question.window == 0 && !question.ask.wants) return;  // given back unopened
  if (question.current) note_grant(rule, question, grant);
  window->told = question.ask.settled;
  window->exposing = false;
  const auto amount = std::max(grant.amount, window->used());
  // Of an exposure only what the limit did not bear in the end is remembered, against the next one.
  const auto exposed =
      grant.free < Credits{} ? std::min(window->exposed, question.ask.exposed) : Credits{};
  auto entry = lease_entry(*window, amount, exposed);
  entry.lease = grant.lease;
  const bool closed =
      question.ask.last && window->reserved == Credits{} && window->settled == question.ask.settled;
  if (closed) entry.kind = EntryKind::lease_closed;
  const bool same = window->lease_open && !closed && window->lease == grant.lease &&
                    window->leased == amount && window->exposed == exposed;
  if (!same) append(std::move(entry), Append::must_happen);
  if (window->lease_open && std::ranges::find(course.windows, window->id) == course.windows.end()) {
    course.windows.push_back(window->id);
    watch(rule);
  }
}

/// What the answer says about the rule: how much others have, and whether waiting for more makes
/// sense.
void Books::note_grant(Rule& rule, const LeaseQuestion& question, const LeaseGrant& grant) {
  auto& course = rule.lease;
  course.elsewhere = grant.elsewhere;
  if (!question.ask.wants) return;
  course.low = false;
  if (grant.block > Credits{}) course.block = grant.block;
  const auto lacks = question.ask.wants->least - grant.block;
  if (lacks <= Credits{}) {
    course.wanted_until = {};
    return;
  }
  const auto older = rule.used() - rule.live.back()->used();  // rolling: in earlier buckets
  const auto lent = rule.rule.limit - grant.free - grant.elsewhere - grant.amount - older;
  // Enough is free or with others, who are asked to give it back: it comes with one of the next
  // exchanges.
  if (lent + std::max(Credits{}, grant.free) >= lacks) return;
  course.denied = question.ask.wants->least;
  course.denied_until = clock_.monotonic() + denial_lasts;
}

/// Leases that the central ledger knows of and this journal does not: their grant was never heard.
/// Given back.
std::vector<Books::LeaseQuestion> Books::unknown_leases(const std::vector<HeldLease>& held) {
  const std::lock_guard lock{mutex_};
  std::vector<LeaseQuestion> questions;
  for (const auto& lease : held) {
    auto* budget = balances_.find_budget(lease.window.budget);
    Window* window = nullptr;
    for (const auto& [id, known] : balances_.windows()) {
      if (known->rule->budget == budget && same_span(known->rule->rule, lease.window.rule) &&
          known->span == lease.window.span) {
        window = known.get();
      }
    }
    if (window != nullptr && window->lease_open) continue;
    LeaseQuestion question;
    question.ask.window = lease.window;
    question.ask.last = true;
    if (window != nullptr)
      question.ask.settled = question.ask.used = question.ask.keep = window->settled;
    questions.push_back(std::move(question));
  }
  return questions;
}

/// The end of the process: nothing is open, so everything goes back.
std::vector<Books::LeaseQuestion> Books::all_back() {
  const std::lock_guard lock{mutex_};
  stamp();
  const Instant now{std::chrono::microseconds{at_}};
  const auto mono = clock_.monotonic();
  std::vector<LeaseQuestion> questions;
  for (auto* rule : leases_.watched) {
    rule->lease.used_at = mono - 2 * leases_.options->idle;
    rule->lease.wanted_until = {};
    ask_opened(*rule, now, mono, questions);
    ask_early(*rule, now, mono, questions);
  }
  return questions;
}

}  // namespace turnpike::account
