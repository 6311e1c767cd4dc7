// Admission: which windows a request is charged to, whether it fits, and what to say if it does
// not.
#include <algorithm>

#include <fmt/format.h>

#include "account/books.hpp"
#include "account/pressure.hpp"
#include "turnpike/log.hpp"

namespace turnpike::account {

namespace {

Error refused(int status, std::string code, std::string message, bool worth_retrying) {
  auto error = client_error(std::move(code), std::move(message), {}, status);
  error.retry = Retry::next_candidate;
  error.should_retry = worth_retrying;
  if (worth_retrying) error.retry_after_s = 1;
  return error;
}

std::optional<Credits> tighter(std::optional<Credits> a, std::optional<Credits> b) {
  if (a && b) return std::min(*a, *b);
  return a ? a : b;
}

Error central_away() {
  auto error = gateway_error(503, "ledger_unavailable",
                             "the central ledger cannot be reached and what was leased from it is used up");
  error.retry_after_s = 1;
  error.should_retry = true;
  return error;
}

std::string_view pressure_name(Pressure pressure) {
  switch (pressure) {
    case Pressure::none:
      return "none";
    case Pressure::notify:
      return "notify";
    case Pressure::prefer_cheap:
      return "prefer_cheap";
    case Pressure::cheap_only:
      return "cheap_only";
  }
  return "none";
}

std::string span_name(const WindowRule& rule) {
  if (rule.kind == WindowKind::lifetime) return "for good";
  if (rule.kind == WindowKind::rolling)
    return fmt::format("for the last {} s", rule.duration.count());
  return fmt::format("for this {}", to_string(rule.kind));
}

/// When there is room again; rolling windows free it bit by bit, beginning with their oldest
/// bucket.
std::string refill_text(const Rule& rule) {
  const bool rolling = rule.rule.kind == WindowKind::rolling;
  const auto& end = (rolling ? rule.live.front() : rule.live.back())->span.end;
  if (!end) return "it does not refill; ask for a higher limit";
  if (rolling) return fmt::format("it frees up from {} on", to_rfc3339(*end + rule.rule.duration));
  return fmt::format("it refills {}", to_rfc3339(*end));
}

/// Figures only of the caller's own key: those of wider budgets would tell about others.
std::string figures_text(const Rule& rule) {
  if (!rule.budget->name.starts_with("key:")) return {};
  return fmt::format(" ({} of {} credits)", to_string(rule.settled), to_string(rule.rule.limit));
}

/// A key may have been moved since its path was defined.
bool belongs(const PathDetail& path, const PathDetail& wanted) {
  return path.org == wanted.org && path.team == wanted.team && path.user == wanted.user;
}

}  // namespace

Error Books::unavailable() const {
  const char* why = stopped_by(Stop::lost)    ? "the ledger's store is lost and the gateway ends"
                    : stopped_by(Stop::space) ? "the ledger's disk is full"
                                              : "the ledger cannot be written at the moment";
  auto error = gateway_error(503, "ledger_unavailable", fmt::format("{}; nothing is admitted", why));
  error.retry_after_s = 1;
  error.should_retry = true;
  return error;
}

Result<Credits> cost_bound(const ReserveRequest& request, std::int64_t output_tokens) {
  std::int64_t total = 0;
  if (__builtin_mul_overflow(output_tokens, std::max<std::int64_t>(1, request.choices), &total)) {
    total = INT64_MAX;
  }
  return charge_bound(*request.quote, request.prompt_tokens_bound, total, request.items_max,
                      request.input_classes);
}

std::optional<std::int64_t> affordable_output(const ReserveRequest& request, Credits room,
                                              std::int64_t floor) {
  const auto fits = [&](std::int64_t tokens) {
    const auto bound = cost_bound(request, tokens);
    return bound && *bound <= room;
  };
  std::int64_t low = std::min(floor, request.output_tokens_max);
  std::int64_t high = request.output_tokens_max;
  if (!fits(low)) return std::nullopt;
  while (low < high) {  // low fits; the answer is in [low, high]
    const auto middle = low + (high - low + 1) / 2;
    if (fits(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

Result<Allowance> Books::admit(const Account& account, std::string_view conversation) {
  const std::lock_guard lock{mutex_};
  stamp();
  const auto path = path_of(account, conversation);
  if (!path) return std::unexpected{path.error()};
  if (auto open = check_open(account, **path); !open) return std::unexpected{open.error()};
  for (const auto* window : (*path)->windows) {
    const auto& rule = *window->rule;
    if (rule.settled + rule.lease.elsewhere < rule.rule.limit) continue;
    ++figures_.refused_exhausted;
    return std::unexpected{
        refused(402, "budget_exhausted",
                fmt::format("budget {} is spent {}{}; {}", rule.budget->name, span_name(rule.rule),
                            figures_text(rule), refill_text(rule)),
                false)};
  }
  return allowance_of(**path);
}

Allowance Books::allowance(const Account& account, std::string_view conversation) {
  const std::lock_guard lock{mutex_};
  stamp();
  const auto path = path_of(account, conversation);
  return path ? allowance_of(**path) : Allowance{};
}

Result<Reservation> Books::reserve(const ReserveRequest& request) {
  const auto bound = cost_bound(request, request.output_tokens_max);
  if (!bound) return std::unexpected{bound.error()};
  std::unique_lock lock{mutex_};
  stamp();
  auto state = reserve_locked(request, *bound);
  if (!state) return std::unexpected{state.error()};
  lock.unlock();
  Reservation reservation{*std::move(state)};
  if (options_.intent != Intent::disk) return reservation;
  if (request.may_wait) {
    bell_.ring_urgently();
    return reservation;
  }
  // Refused only if the store fails while we wait: the reservation's destructor gives the credits
  // back.
  if (!wait_stored(reservation.entry())) return std::unexpected{unavailable()};
  return reservation;
}

Result<std::unique_ptr<Reservation::State>> Books::reserve_locked(const ReserveRequest& request,
                                                                  Credits bound) {
  const auto& account = *request.account;
  const auto found = path_of(request);
  if (!found) return std::unexpected{found.error()};
  const auto& path = **found;
  if (auto open = check_open(account, path); !open) return std::unexpected{open.error()};

  auto request_cost_max = account.request_cost_max;
  for (const auto* budget : path.budgets)
    request_cost_max = tighter(request_cost_max, budget->settings.request_cost_max);
  auto room = room_on(path, request_cost_max);
  if (bound > room && leases_.on()) {
    if (auto waiting = await_leases(request, path, bound, request_cost_max))
      return std::unexpected{*std::move(waiting)};
    room = room_on(path, request_cost_max);
  }
  if (bound <= room) return write_reserve(request, path, bound, request.output_tokens_max);

  if (!request.client_gave_max) {
    if (const auto tokens = affordable_output(request, room, options_.output_tokens_floor)) {
      const auto amount = cost_bound(request, *tokens);
      if (!amount) return std::unexpected{amount.error()};
      return write_reserve(request, path, *amount, *tokens);
    }
  }
  // What would have been enough decides how the refusal reads: retrying helps only if this can fit
  // one day.
  const auto least_tokens = request.client_gave_max
                                ? request.output_tokens_max
                                : std::min(options_.output_tokens_floor, request.output_tokens_max);
  const auto least = cost_bound(request, least_tokens);
  if (!least) return std::unexpected{least.error()};
  if (request_cost_max && *least > *request_cost_max) {
    return std::unexpected{
        refused(402, "request_cost_exceeded",
                fmt::format("this request may cost up to {} credits and {} are allowed a "
                            "request; shorten it or ask "
                            "for fewer output tokens",
                            to_string(*least), to_string(*request_cost_max)),
                false)};
  }
  return std::unexpected{refusal(path, *least).value_or(unavailable())};
}

/// What one request may cost at most here and now.
Credits Books::room_on(const Path& path, std::optional<Credits> request_cost_max) const {
  const auto now = leases_.on() ? clock_.monotonic() : Monotonic{};
  auto room = request_cost_max.value_or(Credits::max());
  for (const auto* window : path.windows) room = std::min(room, room_of(*window, now));
  return room;
}

Result<std::unique_ptr<Reservation::State>> Books::write_reserve(const ReserveRequest& request,
                                                                 const Path& path, Credits amount,
                                                                 std::int64_t output_tokens) {
  const auto* price = pin(*request.quote);
  const auto model =
      intern(fmt::format("{}/{}", request.provider, request.model), Append::may_fail);
  const auto tier = intern(std::string{request.tier}, Append::may_fail);
  const bool capped = output_tokens < request.output_tokens_max;
  Entry entry;
  entry.kind = EntryKind::reserve;
  entry.path = path.id;
  entry.model = model;
  entry.price = price == nullptr ? 0 : price->id;
  entry.amount = amount.nano();
  entry.ordinal = request.attempt;
  entry.flags = (request.streaming ? EntryFlag::streaming : 0) | (capped ? EntryFlag::capped : 0) |
                (request.prompt_tokens_known > 0 ? EntryFlag::prefix_known : 0) |
                (request.input_classes == InputClasses::no_hour_cache ? EntryFlag::no_hour_cache : 0);
  entry.tokens = request.prompt_tokens_estimate;
  entry.usage.input_fresh = request.prompt_tokens_bound;
  entry.usage.items = request.items_max;
  entry.tier = tier;
  entry.usage.output_text = output_tokens * std::max<std::int64_t>(1, request.choices);
  entry.decision = request.decision_id;
  if (price == nullptr || model == 0 || !append(std::move(entry), Append::may_fail)) {
    return std::unexpected{unavailable()};
  }
  figures_.reserved += amount;
  for (const auto* window : path.windows) update_level(*window->rule);
  if (leases_.on()) lease_used(path, clock_.monotonic());
  auto state = std::make_unique<Reservation::State>();
  state->books = this;
  state->entry = tail_.seq;
  state->model = model;
  state->price = price;
  state->held = amount;
  if (capped) state->output_tokens_cap = output_tokens;
  state->prompt_tokens_estimate = request.prompt_tokens_estimate;
  state->context_tokens = request.context_tokens;
  state->streaming = request.streaming;
  state->attempt_id = fmt::format("{}.{}", request.decision_id, request.attempt);
  return state;
}

/// The path the key is charged to whatever it asks for.
Result<Path*> Books::path_of(const Account& account) {
  if (!writable()) return std::unexpected{unavailable()};
  PathDetail detail;
  detail.key_id = account.key_id;
  detail.org = account.org;
  detail.team = account.team;
  detail.user = account.user;
  return follow(detail);
}

/// With the conversation's own cap, if one is in force on the path.
Result<Path*> Books::path_of(const Account& account, std::string_view conversation) {
  auto path = path_of(account);
  if (!path) return path;
  std::optional<Credits> cap;
  for (const auto* budget : (*path)->budgets) cap = tighter(cap, budget->settings.conversation_max);
  if (!cap) return path;
  auto detail = (*path)->detail;
  detail.windows.clear();
  detail.conversation = conversation.empty() ? "unnamed" : conversation;
  const auto name = conversation_budget(account.key_id, detail.conversation);
  if (!cap_conversation(name, **path, *cap)) return std::unexpected{unavailable()};
  return follow(detail);
}

/// With the target, where budgets ask for it.
Result<Path*> Books::path_of(const ReserveRequest& request) {
  auto path = path_of(*request.account, request.conversation);
  if (!path || !balances_.targets_matter()) return path;
  auto detail = (*path)->detail;
  detail.windows.clear();
  detail.provider = request.provider;
  detail.model = request.model;
  detail.tier = request.tier;
  return follow(detail);
}

/// Gives the conversation a budget of its own, or the one it has today's limit.
bool Books::cap_conversation(const std::string& name, const Path& path, Credits cap) {
  BudgetSettings settings;
  settings.budget = name;
  WindowRule rule;
  rule.kind = WindowKind::lifetime;
  rule.limit = cap;
  settings.windows.push_back(std::move(rule));
  const auto* known = balances_.find_budget(name);
  if (known != nullptr && known->settings.same_limits(settings)) return true;
  for (const auto* budget : path.budgets) {
    if (budget->settings.conversation_max == cap) settings.by = budget->name;
  }
  Entry entry;
  entry.kind = EntryKind::budget_set;
  entry.detail = budget_detail(settings);
  return append(std::move(entry), Append::may_fail);
}

/// The current path of this kind. Cheap while nothing has changed; else windows that have begun are
/// opened and a new path is defined, each with an entry.
Result<Path*> Books::follow(const PathDetail& detail) {
  const Instant instant{std::chrono::microseconds{at_}};
  auto& route = balances_.route(detail);
  const bool same_owner = route.current != nullptr && belongs(route.current->detail, detail);
  if (same_owner && instant < route.valid_until && route.generation == balances_.generation()) {
    return route.current;
  }
  return define_path(route, detail, instant);
}

Result<Path*> Books::define_path(Route& route, PathDetail detail, Instant instant) {
  std::vector<Budget*> budgets;
  auto valid_until = Instant::max();
  for (const auto& name : budgets_of(detail)) {
    auto* budget = balances_.find_budget(name);
    if (budget == nullptr) continue;
    if (!open_windows(*budget, instant)) return std::unexpected{unavailable()};
    budgets.push_back(budget);
    for (const auto& rule : budget->rules) {
      if (rule->lifted) continue;
      const auto* window = rule->live.back();
      detail.windows.push_back(window->id);
      if (window->span.end) valid_until = std::min(valid_until, *window->span.end);
    }
  }
  if (route.current == nullptr || route.current->detail != detail ||
      route.current->budgets != budgets) {
    Entry entry;
    entry.kind = EntryKind::path_defined;
    entry.detail = path_detail(detail);
    if (!append(std::move(entry), Append::may_fail)) return std::unexpected{unavailable()};
  }
  route.valid_until = valid_until;
  route.generation = balances_.generation();
  return route.current;
}

bool Books::open_windows(Budget& budget, Instant instant) {
  for (const auto& rule : budget.rules) {
    if (rule->lifted) continue;
    auto span = span_at(rule->rule, instant);
    if (!rule->live.empty()) {
      const auto& last = rule->live.back()->span;
      if (!last.end || instant < *last.end) continue;
      // A window is never shortened or reset, also when the time zone database learns of another
      // boundary.
      span.start = std::max(span.start, *last.end);
    }
    Entry entry;
    entry.kind = EntryKind::window_opened;
    entry.detail = window_detail({budget.name, rule->rule, span});
    if (!append(std::move(entry), Append::may_fail)) return false;
    window_begun(*rule);
  }
  return true;
}

/// What refuses before any amount is looked at: the kill switch and the bounds on attempts at once.
Result<void> Books::check_open(const Account& account, const Path& path) const {
  for (const auto* budget : path.budgets) {
    if (budget->settings.frozen) {
      return std::unexpected{
          refused(402, "budget_frozen",
                  fmt::format("budget {} is frozen by its operator", budget->name), false)};
    }
    const auto& most = budget->settings.concurrency_max;
    if (most && budget->open >= *most) {
      return std::unexpected{
          refused(429, "concurrency_exceeded",
                  fmt::format("budget {} allows {} requests at once", budget->name, *most), true)};
    }
  }
  const auto most = account.concurrency_max ? account.concurrency_max : options_.key_concurrency_max;
  if (most && path.key->open >= *most) {
    return std::unexpected{refused(429, "concurrency_exceeded",
                                   fmt::format("the key allows {} requests at once", *most), true)};
  }
  return {};
}

/// 402 if settled amounts alone leave too little, 429 if it is only reservations that may yet be
/// given back. A window of the first kind decides, because waiting will not help.
std::optional<Error> Books::refusal(const Path& path, Credits amount) {
  const Rule* contended = nullptr;
  const auto now = leases_.on() ? clock_.monotonic() : Monotonic{};
  for (const auto* window : path.windows) {
    const auto& rule = *window->rule;
    if (amount <= room_of(*window, now)) continue;
    const auto settled = rule.settled + rule.lease.elsewhere;
    if (amount <= rule.rule.limit - settled) {
      contended = &rule;
      continue;
    }
    ++figures_.refused_exhausted;
    const bool spent = settled >= rule.rule.limit;
    const auto what =
        spent ? fmt::format("budget {} is spent {}{}", rule.budget->name, span_name(rule.rule),
                            figures_text(rule))
              : fmt::format(
                    "this request may cost up to {} credits, more than budget {} has left {}{}",
                    to_string(amount), rule.budget->name, span_name(rule.rule), figures_text(rule));
    return refused(402, "budget_exhausted", fmt::format("{}; {}", what, refill_text(rule)), false);
  }
  if (contended == nullptr) return std::nullopt;
  if (leases_.on() && !leases_.reachable) return central_away();
  ++figures_.refused_contended;
  return refused(
      429, "budget_contended",
      fmt::format("running requests hold what is left of budget {} {}; {}", contended->budget->name,
                  span_name(contended->rule), refill_text(*contended)),
      true);
}

Allowance Books::allowance_of(const Path& path) {
  Allowance allowance;
  for (const auto* window : path.windows) {
    auto& rule = *window->rule;
    update_level(rule);
    const auto room = std::max(Credits{}, rule.room() - rule.lease.elsewhere);
    if (!allowance.remaining || room < *allowance.remaining) allowance.remaining = room;
    if (rule.level <= allowance.pressure) continue;
    allowance.pressure = rule.level;
    allowance.pressure_scope = rule.budget->name;
  }
  return allowance;
}

void Books::update_level(Rule& rule) {
  const auto& span = rule.live.back()->span;
  const auto next =
      pressure_of(rule.rule, span, rule.used() + rule.lease.elsewhere, Instant{std::chrono::microseconds{at_}}, rule.level,
                  options_.pressure);
  if (next > rule.level) {
    log(LogLevel::warn, "budget_pressure",
        {{"budget", std::string_view{rule.budget->name}}, {"pressure", pressure_name(next)}});
    ++figures_.pressure_crossings[static_cast<std::size_t>(next)];
  }
  rule.level = next;
}

}  // namespace turnpike::account
