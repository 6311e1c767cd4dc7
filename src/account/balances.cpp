#include "account/balances.hpp"

#include <algorithm>

#include "account/fields.hpp"

namespace turnpike::account {

namespace {

Instant instant_of(const Entry& entry) { return Instant{std::chrono::microseconds{entry.at}}; }

void move_reserved(const std::vector<Window*>& windows, Credits amount) {
  for (auto* window : windows) {
    window->reserved += amount;
    if (window->live) window->rule->reserved += amount;
  }
}

void add_settled(Window* window, Credits amount) {
  window->settled += amount;
  if (window->live) window->rule->settled += amount;
}

template <typename Map>
auto pointer_to(const Map& map, std::int64_t id) -> decltype(map.begin()->second.get()) {
  const auto found = map.find(id);
  return found == map.end() ? nullptr : found->second.get();
}

/// The ids of a map in ascending order: the order in which their entries were written.
template <typename Map>
std::vector<std::int64_t> sorted_ids(const Map& map) {
  std::vector<std::int64_t> ids;
  ids.reserve(map.size());
  for (const auto& item : map) ids.push_back(item.first);
  std::sort(ids.begin(), ids.end());
  return ids;
}

Entry definition(EntryKind kind, std::int64_t seq, std::string detail) {
  Entry entry;
  entry.kind = kind;
  entry.seq = seq;
  entry.detail = std::move(detail);
  return entry;
}

}  // namespace

bool Balances::apply(const Entry& entry) {
  switch (entry.kind) {
    case EntryKind::opened:
    case EntryKind::clock_frozen:
    case EntryKind::clock_released:
      return true;
    case EntryKind::name_defined:
      names_.emplace(entry.detail, entry.seq);
      return true;
    case EntryKind::price_defined:
      return define_price(entry);
    case EntryKind::key_created:
      return create_key(entry);
    case EntryKind::key_changed:
      return change_key(entry);
    case EntryKind::key_revoked:
      return revoke_key(entry);
    case EntryKind::budget_set:
      return set_budget(entry);
    case EntryKind::window_opened:
      return open_window(entry);
    case EntryKind::path_defined:
      return define_path(entry);
    case EntryKind::reserve:
      return reserve(entry);
    case EntryKind::progress: {
      auto* attempt = find_attempt(entry.attempt);
      if (attempt == nullptr) return false;
      attempt->output_seen = entry.tokens;
      return true;
    }
    case EntryKind::settle_exact:
    case EntryKind::settle_estimated:
    case EntryKind::void_:
      return end(entry);
    case EntryKind::overrun:
    case EntryKind::correction:
      return charge(entry);
    case EntryKind::balance:
      return balance(entry);
    case EntryKind::lease_granted:
    case EntryKind::lease_closed:
      return lease(entry);
  }
  return false;
}

bool Balances::reserve(const Entry& entry) {
  auto* path = find_path(entry.path);
  const auto* price = pointer_to(prices_, entry.price);
  if (path == nullptr || price == nullptr) return false;
  OpenAttempt attempt{
      Credits::from_nano(entry.amount), path, price, entry.model, entry.flags, entry.tokens, 0};
  if (!attempts_.emplace(entry.seq, attempt).second) return false;
  move_reserved(path->windows, attempt.held);
  for (auto* budget : path->budgets) {
    ++budget->open;
    budget->last_used = entry.at;
  }
  ++path->open;
  ++path->key->open;
  return true;
}

bool Balances::end(const Entry& entry) {
  const auto found = attempts_.find(entry.attempt);
  if (found == attempts_.end()) return false;
  const auto attempt = found->second;
  attempts_.erase(found);
  auto* path = attempt.path;
  move_reserved(path->windows, -attempt.held);
  for (auto* window : path->windows) add_settled(window, Credits::from_nano(entry.amount));
  for (auto* budget : path->budgets) --budget->open;
  --path->open;
  --path->key->open;
  drop_if_idle(path);
  return true;
}

/// An overrun goes to its attempt's windows, a correction to those its detail names: the path may
/// be long gone, and windows that are gone too no longer decide anything.
bool Balances::charge(const Entry& entry) {
  const auto amount = Credits::from_nano(entry.amount);
  if (entry.kind == EntryKind::overrun) {
    auto* path = find_path(entry.path);
    if (path == nullptr) return false;
    for (auto* window : path->windows) add_settled(window, amount);
    return true;
  }
  for (const auto& line : Fields{entry.detail}.all("window")) {
    const auto id = parse_numbers(line);
    if (!id || id->size() != 1) return false;
    if (auto* window = pointer_to(windows_, id->front())) add_settled(window, amount);
  }
  return true;
}

bool Balances::balance(const Entry& entry) {
  auto* window = pointer_to(windows_, entry.attempt);
  if (window == nullptr) return false;
  add_settled(window, Credits::from_nano(entry.amount));
  return true;
}

bool Balances::lease(const Entry& entry) {
  auto* window = find_window(entry.attempt);
  if (window == nullptr) return false;
  window->leased = Credits::from_nano(entry.amount);
  window->exposed = Credits::from_nano(entry.tokens);
  window->lease = entry.lease;
  window->lease_open = entry.kind == EntryKind::lease_granted;
  return true;
}

bool Balances::define_price(const Entry& entry) {
  auto quote = parse_price(entry.detail);
  if (!quote) return false;
  auto price = std::make_unique<PinnedPrice>(PinnedPrice{entry.seq, *std::move(quote)});
  prices_by_id_.emplace(price->quote.price_id, price.get());
  prices_.emplace(entry.seq, std::move(price));
  return true;
}

bool Balances::create_key(const Entry& entry) {
  auto key = parse_key(entry.detail, instant_of(entry));
  if (!key) return false;
  keys_.push_back(*std::move(key));
  return true;
}

bool Balances::change_key(const Entry& entry) {
  auto changed = parse_key(entry.detail, instant_of(entry));
  if (!changed) return false;
  for (auto& key : keys_) {
    if (key.account.key_id != changed->account.key_id) continue;
    changed->created = key.created;
    changed->changed = instant_of(entry);
    key = *std::move(changed);
    return true;
  }
  return false;
}

bool Balances::revoke_key(const Entry& entry) {
  const Fields fields{entry.detail};
  for (auto& key : keys_) {
    if (key.account.key_id != fields.text("key")) continue;
    key.revoked = instant_of(entry);
    key.revoked_by = fields.text("by");
    return true;
  }
  return false;
}

Rule& Balances::rule_of(Budget& budget, const WindowRule& rule) {
  for (const auto& known : budget.rules) {
    if (same_span(known->rule, rule)) return *known;
  }
  budget.rules.push_back(std::make_unique<Rule>());
  auto& added = *budget.rules.back();
  added.budget = &budget;
  added.rule = rule;
  return added;
}

bool Balances::set_budget(const Entry& entry) {
  auto detail = parse_budget(entry.detail);
  if (!detail) return false;
  auto* budget = find_budget(detail->settings.budget);
  if (budget == nullptr) {
    budgets_.push_back(std::make_unique<Budget>());
    budget = budgets_.back().get();
    budget->name = detail->settings.budget;
    budgets_by_name_.emplace(budget->name, budget);
  }
  for (const auto& rule : detail->lifted) rule_of(*budget, rule);
  for (const auto& rule : budget->rules) rule->lifted = true;
  for (const auto& rule : detail->settings.windows) {
    auto& kept = rule_of(*budget, rule);
    kept.rule = rule;
    kept.lifted = false;
  }
  // A conversation's cap binds that conversation alone: no other path changes with it.
  const bool own_conversation = budget->name.starts_with(conversation_prefix);
  budget->settings = std::move(detail->settings);
  if (own_conversation) return !budget->settings.lifted() || forget_conversation(budget);
  targets_matter_ = std::ranges::any_of(budgets_, [](const auto& known) {
    return !known->settings.lifted() && has_filter(known->name);
  });
  ++generation_;
  return true;
}

bool Balances::open_window(const Entry& entry) {
  const auto detail = parse_window(entry.detail);
  if (!detail) return false;
  auto* budget = find_budget(detail->budget);
  if (budget == nullptr) return false;
  auto& rule = rule_of(*budget, detail->rule);
  while (!rule.live.empty() && expired(rule.rule, rule.live.front()->span, detail->span.start)) {
    auto* oldest = rule.live.front();
    rule.live.pop_front();
    retire(oldest);
  }
  auto window = std::make_unique<Window>();
  window->id = entry.seq;
  window->rule = &rule;
  window->span = detail->span;
  rule.live.push_back(window.get());
  windows_.emplace(entry.seq, std::move(window));
  return true;
}

void Balances::retire(Window* window) {
  window->live = false;
  window->rule->settled -= window->settled;
  window->rule->reserved -= window->reserved;
}

void Balances::collect() {
  std::erase_if(windows_, [](const auto& item) {
    const auto& window = *item.second;
    return !window.live && window.paths == 0 && !window.lease_open;
  });
}

std::vector<std::string> Balances::idle_conversations(std::int64_t instant) const {
  std::vector<std::string> idle;
  for (const auto& budget : budgets_) {
    const bool over = budget->open == 0 && budget->last_used < instant && !budget->settings.lifted();
    if (over && budget->name.starts_with(conversation_prefix)) idle.push_back(budget->name);
  }
  return idle;
}

/// All of a conversation whose cap was lifted: its paths, its window and the budget itself. Should it
/// go on, it begins anew. False if something is still charged to it.
bool Balances::forget_conversation(Budget* budget) {
  if (budget->open > 0) return false;
  const auto name = budget->name;
  if (last_ended_ && !last_ended_->budgets.empty() && last_ended_->budgets.back() == budget) {
    for (auto* window : last_ended_->windows) --window->paths;
    last_ended_.reset();
  }
  const auto ids = conversation_paths_.find(name);
  if (ids != conversation_paths_.end()) {
    for (const auto id : ids->second) erase_path(id);
    conversation_paths_.erase(ids);
  }
  for (const auto& rule : budget->rules) {
    for (auto* window : rule->live) windows_.erase(window->id);
  }
  budgets_by_name_.erase(name);
  std::erase_if(budgets_, [&](const auto& known) { return known.get() == budget; });
  return true;
}

/// With its route: nothing is to be charged to it any more.
void Balances::erase_path(std::int64_t id) {
  const auto found = paths_.find(id);
  if (found == paths_.end()) return;
  const auto& path = *found->second;
  for (auto* window : path.windows) --window->paths;
  const auto route = routes_.find(path.route_key);
  if (route != routes_.end() && route->second.current == &path) routes_.erase(route);
  paths_.erase(found);
}

bool Balances::define_path(const Entry& entry) {
  auto detail = parse_path(entry.detail);
  if (!detail) return false;
  auto path = std::make_unique<Path>();
  path->id = entry.seq;
  for (const auto id : detail->windows) {
    auto* window = pointer_to(windows_, id);
    if (window == nullptr) return false;
    path->windows.push_back(window);
  }
  for (auto* window : path->windows) ++window->paths;
  for (const auto& name : budgets_of(*detail)) {
    if (auto* budget = find_budget(name)) path->budgets.push_back(budget);
  }
  path->key = &key_state(detail->key_id);
  path->route = &route(*detail);
  path->route_key = route_key_;
  if (!detail->conversation.empty()) {
    auto& ids = conversation_paths_[conversation_budget(detail->key_id, detail->conversation)];
    std::erase_if(ids, [this](std::int64_t id) { return !paths_.contains(id); });
    ids.push_back(entry.seq);
  }
  path->detail = *std::move(detail);
  auto* previous = path->route->current;
  path->route->current = path.get();
  paths_.emplace(entry.seq, std::move(path));
  if (previous != nullptr) drop_if_idle(previous);
  return true;
}

/// A path is needed while it is its key's current one or has open attempts. The last one to go
/// stays until the next: its attempt's overrun entry may follow.
void Balances::drop_if_idle(Path* path) {
  if (path->open > 0 || path->route->current == path) return;
  if (last_ended_) {
    for (auto* window : last_ended_->windows) --window->paths;
  }
  const auto found = paths_.find(path->id);
  last_ended_ = std::move(found->second);
  paths_.erase(found);
}

Route& Balances::route(const PathDetail& path) {
  route_key_ = path.key_id;
  for (const auto* part : {&path.provider, &path.model, &path.tier, &path.conversation}) {
    route_key_ += '\x1f';
    route_key_ += *part;
  }
  return routes_[route_key_];
}

Window* Balances::find_window(std::int64_t id) { return pointer_to(windows_, id); }

Budget* Balances::find_budget(const std::string& name) {
  const auto found = budgets_by_name_.find(name);
  return found == budgets_by_name_.end() ? nullptr : found->second;
}

Path* Balances::find_path(std::int64_t id) {
  if (auto* path = pointer_to(paths_, id)) return path;
  return last_ended_ && last_ended_->id == id ? last_ended_.get() : nullptr;
}

OpenAttempt* Balances::find_attempt(std::int64_t seq) {
  const auto found = attempts_.find(seq);
  return found == attempts_.end() ? nullptr : &found->second;
}

const PinnedPrice* Balances::find_price(const PriceQuote& quote) const {
  const auto [first, last] = prices_by_id_.equal_range(quote.price_id);
  for (auto at = first; at != last; ++at) {
    if (at->second->quote == quote) return at->second;
  }
  return nullptr;
}

const PinnedPrice* Balances::find_price(std::int64_t id) const { return pointer_to(prices_, id); }

std::int64_t Balances::find_name(const std::string& text) const {
  const auto found = names_.find(text);
  return found == names_.end() ? 0 : found->second;
}

std::vector<Entry> Balances::snapshot() const {
  std::vector<Entry> entries;
  entries.reserve(names_.size() + prices_.size() + windows_.size() * 2 + paths_.size() +
                  attempts_.size() * 2);
  for (const auto& [text, seq] : names_) {
    entries.push_back(definition(EntryKind::name_defined, seq, text));
  }
  for (const auto& [seq, price] : prices_) {
    entries.push_back(definition(EntryKind::price_defined, seq, price_detail(price->quote)));
  }
  for (const auto& key : keys_) {
    auto created = definition(EntryKind::key_created, 0, key_detail(key));
    created.at = key.created.time_since_epoch().count();
    entries.push_back(std::move(created));
    if (key.changed) {
      auto changed = definition(EntryKind::key_changed, 0, key_detail(key));
      changed.at = key.changed->time_since_epoch().count();
      entries.push_back(std::move(changed));
    }
    if (!key.revoked) continue;
    Fields fields;
    fields.add("key", key.account.key_id);
    fields.add("by", key.revoked_by);
    auto revoked = definition(EntryKind::key_revoked, 0, fields.str());
    revoked.at = key.revoked->time_since_epoch().count();
    entries.push_back(std::move(revoked));
  }
  snapshot_budgets(entries);
  snapshot_attempts(entries);
  return entries;
}

void Balances::snapshot_budgets(std::vector<Entry>& entries) const {
  for (const auto& budget : budgets_) {
    std::vector<WindowRule> lifted;
    for (const auto& rule : budget->rules) {
      if (rule->lifted) lifted.push_back(rule->rule);
    }
    entries.push_back(
        definition(EntryKind::budget_set, 0, budget_detail(budget->settings, lifted)));
  }
  const auto ids = sorted_ids(windows_);
  for (const auto id : ids) {
    const auto& window = *windows_.at(id);
    const WindowDetail detail{window.rule->budget->name, window.rule->rule, window.span};
    entries.push_back(definition(EntryKind::window_opened, id, window_detail(detail)));
  }
  for (const auto id : ids) {
    auto settled = definition(EntryKind::balance, 0, {});
    settled.attempt = id;
    settled.amount = windows_.at(id)->settled.nano();
    entries.push_back(std::move(settled));
  }
  for (const auto id : ids) {
    const auto& window = *windows_.at(id);
    if (!window.lease_open && window.leased == Credits{}) continue;
    const auto kind = window.lease_open ? EntryKind::lease_granted : EntryKind::lease_closed;
    auto lease = definition(kind, 0, {});
    lease.attempt = id;
    lease.amount = window.leased.nano();
    lease.tokens = window.exposed.nano();
    lease.lease = window.lease;
    entries.push_back(std::move(lease));
  }
}

void Balances::snapshot_attempts(std::vector<Entry>& entries) const {
  std::unordered_map<const Path*, std::vector<std::int64_t>> open;
  for (const auto& [seq, attempt] : attempts_) open[attempt.path].push_back(seq);
  for (const auto id : sorted_ids(paths_)) {
    const auto& path = *paths_.at(id);
    entries.push_back(definition(EntryKind::path_defined, id, path_detail(path.detail)));
    // Together with their path: a path without attempts is dropped when the next of its key is
    // defined.
    for (const auto seq : open[&path]) {
      const auto& attempt = attempts_.at(seq);
      auto entry = definition(EntryKind::reserve, seq, {});
      entry.path = id;
      entry.model = attempt.model;
      entry.price = attempt.price->id;
      entry.amount = attempt.held.nano();
      entry.flags = attempt.flags;
      entry.tokens = attempt.prompt_estimate;
      entries.push_back(std::move(entry));
      auto seen = definition(EntryKind::progress, 0, {});
      seen.attempt = seq;
      seen.tokens = attempt.output_seen;
      entries.push_back(std::move(seen));
    }
  }
}

}  // namespace turnpike::account
