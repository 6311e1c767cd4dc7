// Books as one replica of several: a window may be charged up to the lease that the central ledger
// granted. The hot path looks at memory only; LeaseKeeper carries what is asked and answered.
#include <algorithm>

#include <fmt/format.h>

#include "account/books.hpp"
#include "account/definitions.hpp"
#include "account/fields.hpp"
#include "turnpike/log.hpp"

namespace turnpike::account {

namespace {

// How long a wish for a lease stands; whoever waits repeats it, for half a second.
constexpr std::chrono::milliseconds wish_lasts{600};

bool is_definition(EntryKind kind) {
  return kind == EntryKind::key_created || kind == EntryKind::key_changed ||
         kind == EntryKind::key_revoked || kind == EntryKind::budget_set;
}

}  // namespace

/// Caps of conversations are each replica's own: they are made by requests, not by operators.
std::optional<Definition> definition_in(const Entry& entry) {
  if (!is_definition(entry.kind)) return std::nullopt;
  const Fields fields{entry.detail};
  auto subject =
      entry.kind == EntryKind::budget_set ? fields.text("budget") : "key:" + fields.text("key");
  if (subject.starts_with(conversation_prefix)) return std::nullopt;
  return Definition{entry.seq, entry.kind, std::move(subject), entry.detail};
}

// --- The hot path.

bool Books::by_lease(const Rule& rule) const {
  return leases_.on() && !rule.budget->name.starts_with(conversation_prefix);
}

/// What may still be reserved: within the limit less what others have settled, and within the
/// lease.
Credits Books::room_of(const Window& window, Monotonic now) const {
  const auto& rule = *window.rule;
  if (!by_lease(rule)) return rule.room();
  const bool usable = now < leases_.good_until || (window.exposing && !leases_.reachable);
  const auto lease = window.leased - window.used();
  if (!usable || leases_.superseded) return std::min(Credits{}, lease);
  return std::min(rule.room() - rule.lease.elsewhere, lease);
}

void Books::watch(Rule& rule) {
  if (rule.lease.watched) return;
  rule.lease.watched = true;
  leases_.watched.push_back(&rule);
}

/// After a reservation: a lease below half of its block is refilled in the background.
void Books::lease_used(const Path& path, Monotonic now) {
  bool ring = false;
  for (const auto* window : path.windows) {
    auto& rule = *window->rule;
    if (!by_lease(rule)) continue;
    auto& course = rule.lease;
    course.used_at = now;
    watch(rule);
    if (course.low || (window->leased - window->used()).nano() > course.block.nano() / 2) continue;
    course.low = true;
    ring = true;
  }
  if (ring) leases_.keeper->ring_urgently();
}

/// For a reservation that does not fit its leases. Asks for larger ones, or, while the central
/// ledger is away, allows what the settings allow. True if it is worth asking again in a moment.
bool Books::want_leases(const Path& path, Credits bound, Credits least, Monotonic now) {
  if (leases_.superseded) return false;
  if (!leases_.reachable) {
    if (leases_.options->allow_when_down) expose(path, bound, now);
    return false;
  }
  std::vector<Rule*> lacking;
  for (const auto* window : path.windows) {
    auto& rule = *window->rule;
    if (bound <= room_of(*window, now)) continue;
    if (!by_lease(rule) || least > rule.room()) return false;  // not even with all of the limit
    const auto lacks = least - std::max(Credits{}, window->leased - window->used());
    if (now < rule.lease.denied_until && lacks >= rule.lease.denied) return false;
    lacking.push_back(&rule);
  }
  for (auto* rule : lacking) {
    auto& course = rule->lease;
    const bool first = now >= course.wanted_until;
    course.want = first ? bound : std::max(course.want, bound);
    course.least = first ? least : std::min(course.least, least);
    course.wanted_until = now + wish_lasts;
    course.used_at = now;
    watch(*rule);
  }
  leases_.keeper->ring_urgently();
  return true;
}

/// For a reservation that does not fit: `lease_awaited` if the caller should try again, else go on
/// with what there is.
std::optional<Error> Books::await_leases(const ReserveRequest& request, const Path& path,
                                         Credits bound, std::optional<Credits> request_cost_max) {
  const auto now = clock_.monotonic();
  const auto most = request_cost_max.value_or(Credits::max());
  const auto tokens = std::min(options_.output_tokens_floor, request.output_tokens_max);
  const auto floor = request.client_gave_max ? bound : cost_bound(request, tokens).value_or(bound);
  if (floor > most || !want_leases(path, std::min(bound, most), floor, now) || !request.may_wait)
    return std::nullopt;
  ++leases_.awaited;
  auto error = gateway_error(429, "lease_awaited", "a larger lease has been asked for");
  error.retry_after_s = 1;
  error.should_retry = true;
  return error;
}

/// The central ledger is away and the settings allow so much per window above the leases: taken at
/// once and as a whole, so that it is one entry, and only if the reservation then fits.
void Books::expose(const Path& path, Credits bound, Monotonic now) {
  struct Step {
    Window* window;
    Credits leased;
    Credits allowance;
  };
  std::vector<Step> steps;
  for (auto* window : path.windows) {
    if (bound <= room_of(*window, now)) continue;
    const auto& rule = *window->rule;
    Credits spent;
    for (const auto* live : rule.live) spent += live->exposed;
    const auto allowance = *leases_.options->allow_when_down - spent;
    const auto base =
        now < leases_.good_until ? window->leased : std::min(window->leased, window->used());
    const bool fits = by_lease(rule) && bound <= std::min(rule.room() - rule.lease.elsewhere,
                                                          base + allowance - window->used());
    if (allowance <= Credits{} || !fits) return;
    steps.push_back({window, base + allowance, allowance});
  }
  for (const auto& step : steps) {
    auto entry = lease_entry(*step.window, step.leased, step.window->exposed + step.allowance);
    entry.flags = EntryFlag::exposure;
    if (!append(std::move(entry), Append::may_fail)) return;
    step.window->exposing = true;
    ++leases_.exposures;
    log(LogLevel::warn, "budget_exposed",
        {{"budget", std::string_view{step.window->rule->budget->name}},
         {"nano_credits", step.allowance.nano()}});
  }
}

/// A window that was leased ahead of its beginning has its lease from its first instant on.
void Books::window_begun(Rule& rule) {
  if (!by_lease(rule)) return;
  auto& window = *rule.live.back();
  auto& course = rule.lease;
  if (rule.rule.kind != WindowKind::rolling) course.elsewhere = {};
  const auto early = std::find_if(course.early.begin(), course.early.end(),
                                  [&](const auto& one) { return one.span == window.span; });
  if (early == course.early.end()) return;
  const auto granted = *early;
  course.early.erase(early);
  auto entry = lease_entry(window, granted.amount, {});
  entry.lease = granted.lease;
  if (!append(std::move(entry), Append::may_fail)) return;
  course.elsewhere = granted.elsewhere;
  course.windows.push_back(window.id);
}

Entry Books::lease_entry(const Window& window, Credits leased, Credits exposed) const {
  Entry entry;
  entry.kind = EntryKind::lease_granted;
  entry.attempt = window.id;
  entry.lease = window.lease;
  entry.amount = leased.nano();
  entry.tokens = exposed.nano();
  return entry;
}

// --- Definitions.

std::vector<Definition> Books::unpublished() {
  const std::lock_guard lock{mutex_};
  return leases_.outbox;
}

void Books::published(std::int64_t seq) {
  const std::lock_guard lock{mutex_};
  std::erase_if(leases_.outbox, [&](const Definition& one) { return one.seq <= seq; });
}

std::int64_t Books::last_definition() const {
  const std::lock_guard lock{mutex_};
  return leases_.last_definition;
}

std::optional<BudgetSettings> Books::settings_of(const std::string& budget) {
  const std::lock_guard lock{mutex_};
  const auto* known = balances_.find_budget(budget);
  return known == nullptr ? std::nullopt : std::optional{known->settings};
}

/// True if it changed anything.
bool Books::apply_definition(const Definition& definition) {
  const std::lock_guard lock{mutex_};
  stamp();
  if (!is_definition(definition.kind) || !changes_something(definition)) return false;
  Entry entry;
  entry.kind = definition.kind;
  entry.detail = definition.detail;
  entry.ordinal = definition.seq;  // so that it is not told back
  return append(std::move(entry), Append::must_happen);
}

bool Books::changes_something(const Definition& definition) {
  if (definition.kind == EntryKind::budget_set) {
    const auto parsed = parse_budget(definition.detail);
    const auto* known = balances_.find_budget(definition.subject);
    return parsed && (known == nullptr || budget_detail(known->settings) != definition.detail);
  }
  const auto id = Fields{definition.detail}.text("key");
  const auto& keys = balances_.keys();
  const auto known =
      std::ranges::find_if(keys, [&](const KeyInfo& key) { return key.account.key_id == id; });
  if (definition.kind == EntryKind::key_revoked) return known != keys.end() && !known->revoked;
  if (!parse_key(definition.detail, {})) return false;
  if (definition.kind == EntryKind::key_created) return known == keys.end();
  return known != keys.end() && key_detail(*known) != definition.detail;
}

ReplicaFigures Books::replica_figures() const {
  const std::lock_guard lock{mutex_};
  ReplicaFigures figures;
  figures.on = leases_.on();
  if (!figures.on) return figures;
  figures.reachable = leases_.reachable;
  figures.superseded = leases_.superseded;
  figures.usable = clock_.monotonic() < leases_.good_until;
  figures.awaited = leases_.awaited;
  figures.exposures = leases_.exposures;
  for (const auto& [id, window] : balances_.windows()) {
    if (!window->lease_open) continue;
    ++figures.leases;
    figures.spare += std::max(Credits{}, window->leased - window->used());
    figures.exposed += window->exposed;
  }
  for (const auto* rule : leases_.watched) {
    for (const auto& early : rule->lease.early) {
      ++figures.leases;
      figures.spare += early.amount;
    }
  }
  return figures;
}

}  // namespace turnpike::account
