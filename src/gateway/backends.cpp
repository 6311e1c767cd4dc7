#include "gateway/backends.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "turnpike/log.hpp"

namespace turnpike::gateway {
namespace {

constexpr float headroom_thin = 0.1F;  // below it another key is taken if there is one
constexpr std::chrono::seconds rest_max{3600};
constexpr std::chrono::seconds rest_min{1};
/// Of an account over its spend limit whose reset date has passed all the same: it was meant for another zone, or tells
/// nothing. Once in so long a request finds out.
constexpr std::chrono::minutes spend_rest_min{5};

std::uint64_t hash_of(std::string_view conversation, std::string_view key) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const std::string_view part : {conversation, key}) {
    for (const char c : part) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    hash = (hash ^ 0xffU) * 0x100000001b3U;
  }
  hash ^= hash >> 32U;
  hash *= 0xd6e8feb86659fd93U;
  return hash ^ (hash >> 32U);
}

/// Rendezvous hashing: every gateway finds the same key for a conversation, also after a restart, and a key that is lost
/// or added moves no conversation but its own.
double affinity(std::string_view conversation, const catalog::ProviderKey& key) {
  const double drawn = (static_cast<double>(hash_of(conversation, key.id) >> 11U) + 1) / 9007199254740993.0;  // (0, 1)
  return static_cast<double>(key.weight) / -std::log(drawn);
}

double worth_of(const BackendWanted& wanted, const catalog::ProviderKey& key, float left, std::int64_t in_flight) {
  if (!wanted.conversation.empty()) return affinity(wanted.conversation, key);
  return static_cast<double>(key.weight) * static_cast<double>(std::max(left, headroom_thin)) / static_cast<double>(in_flight + 1);
}

double seconds_until(Monotonic then, Monotonic now) { return std::max(0.0, std::chrono::duration<double>(then - now).count()); }

}  // namespace

struct Backends::Found {
  std::size_t index = 0;
  KeyState* key = nullptr;
  ModelState* model = nullptr;
  bool probe = false;
  bool thin = false;
  double worth = 0;

  [[nodiscard]] bool better_than(const Found& other) const {
    if (probe != other.probe) return probe;  // else a key that works would keep another one from being probed
    if (thin != other.thin) return !thin;
    return worth > other.worth;
  }
};

// --- the slot

BackendSlot::BackendSlot(BackendSlot&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), key_index_(other.key_index_), provider_(other.provider_), key_(other.key_),
      model_(other.model_), retry_(other.retry_), probe_(other.probe_), generation_(other.generation_), sent_(other.sent_) {}

BackendSlot::~BackendSlot() { end(Told::nothing); }

const std::string& BackendSlot::key_id() const { return key_->id; }

void BackendSlot::answering() {
  if (owner_ == nullptr || !probe_) return;
  const std::lock_guard lock{owner_->mutex_};
  model_->breaker.succeeded(owner_->clock_.monotonic(), true);
  probe_ = false;
}

Headroom BackendSlot::learn(const Headroom& headroom) {
  if (owner_ == nullptr) return headroom;
  const Instant wall = owner_->clock_.now();
  const std::lock_guard lock{owner_->mutex_};
  key_->headroom = headroom;
  Headroom best = headroom;
  for (const auto& key : provider_->keys) {
    if (!key->out_of_service && key->left(wall) > best.left) best = {key->left(wall), headroom.until};
  }
  return best;
}

void BackendSlot::end(Told told, std::chrono::seconds rest, std::optional<Instant> reset) {
  if (auto* owner = std::exchange(owner_, nullptr)) owner->end(*this, told, rest, reset);
}

// --- choosing

std::expected<BackendSlot, Refusal> Backends::take(const BackendWanted& wanted) {
  const std::lock_guard lock{mutex_};
  ProviderState& state = state_of(wanted.provider);
  if (wanted.retry && !state.retries.allows_one_more(state.in_flight)) {
    state.retries.refuse();
    return std::unexpected{Refusal{Unavailable::retry_budget, {}}};
  }
  const auto found = best_key(wanted);
  if (!found) return std::unexpected{found.error()};
  return begin(wanted, state, *found);
}

std::expected<Backends::Found, Refusal> Backends::best_key(const BackendWanted& wanted) {
  const Monotonic now = clock_.monotonic();
  const Instant wall = clock_.now();
  std::optional<Found> best;
  Refusal refusal;
  for (std::size_t i = 0; i < wanted.provider.keys.size(); ++i) {
    const auto& described = wanted.provider.keys[i];
    if (described.missing || (wanted.keys_tried >> i & 1U) != 0) continue;
    KeyState& key = key_of(wanted.provider, i);
    ModelState& model = key.model(wanted.model);
    const auto available = availability(key, model, now, wall);
    if (available.why_not) {
      if (*available.why_not < refusal.why) refusal.why = *available.why_not;
      if (available.until != Monotonic{} && (refusal.until == Monotonic{} || available.until < refusal.until)) refusal.until = available.until;
      continue;
    }
    const float left = key.left(wall);
    Found found{i, &key, &model, available.probe, left < headroom_thin, 0};
    if (wanted.provider.keys.size() > 1) found.worth = worth_of(wanted, described, left, key.in_flight);
    if (!best || found.better_than(*best)) best = found;
  }
  if (!best) return std::unexpected{refusal};
  return *best;
}

BackendSlot Backends::begin(const BackendWanted& wanted, ProviderState& state, const Found& found) {
  BackendSlot slot{*this};
  slot.key_index_ = found.index;
  slot.provider_ = &state;
  slot.key_ = found.key;
  slot.model_ = found.model;
  slot.retry_ = wanted.retry;
  slot.probe_ = found.probe;
  slot.generation_ = slot.key_->generation;
  slot.sent_ = clock_.monotonic();
  ++state.in_flight;
  ++found.key->in_flight;
  if (wanted.retry) state.retries.begin();
  if (found.probe) found.model->breaker.begin_probe(slot.sent_);
  return slot;
}

std::optional<std::pair<std::size_t, BackendSlot>> Backends::take_least_recently_ejected(std::span<const BackendWanted> all) {
  const std::lock_guard lock{mutex_};
  const Monotonic now = clock_.monotonic();
  const Instant wall = clock_.now();
  std::optional<std::size_t> which;
  Found first;
  for (std::size_t n = 0; n < all.size(); ++n) {
    for (std::size_t i = 0; i < all[n].provider.keys.size(); ++i) {
      if (all[n].provider.keys[i].missing || (all[n].keys_tried >> i & 1U) != 0) continue;
      KeyState& key = key_of(all[n].provider, i);
      ModelState& model = key.model(all[n].model);
      const auto available = availability(key, model, now, wall);
      if (available.why_not != Unavailable::ejected || !model.breaker.early_probe_due(now)) continue;
      if (which && model.breaker.ejected_at() >= first.model->breaker.ejected_at()) continue;
      which = n;
      first = {i, &key, &model, true, false, 0};
    }
  }
  if (!which) return std::nullopt;
  return std::pair{*which, begin(all[*which], state_of(all[*which].provider), first)};
}

std::optional<std::size_t> Backends::key_for(const catalog::Provider& provider, std::string_view model, std::string_view conversation) {
  const std::lock_guard lock{mutex_};
  const auto found = best_key({.provider = provider, .model = model, .conversation = conversation});
  if (!found || found->probe) return std::nullopt;
  return found->index;
}

// --- what came of it

void Backends::end(BackendSlot& slot, Told told, std::chrono::seconds rest, std::optional<Instant> reset) {
  const std::lock_guard lock{mutex_};
  judge(slot, told, rest, reset);
  --slot.provider_->in_flight;
  --slot.key_->in_flight;
  if (slot.retry_) slot.provider_->retries.end();
}

void Backends::judge(const BackendSlot& slot, Told told, std::chrono::seconds rest, std::optional<Instant> reset) {
  const Monotonic now = clock_.monotonic();
  KeyState& key = *slot.key_;
  ModelState& model = *slot.model_;
  if (slot.generation_ != key.generation) return;  // forgiven since, or another secret by now
  if (told != Told::served && told != Told::alive) all_well_.store(false, std::memory_order_relaxed);
  switch (told) {
    case Told::served:
      model.served_at = now;
      model.forbidden_in_row = 0;
      key.limit.went_well(key.in_flight);
      return model.breaker.succeeded(now, slot.probe_);
    case Told::nothing:
      if (slot.probe_) model.breaker.probe_told_nothing();
      return;
    case Told::overloaded:
      key.limit.pushed_back(key.in_flight, slot.sent_, now);
      [[fallthrough]];
    case Told::failed:
      return model.breaker.failed(now, slot.probe_, spread());
    case Told::unusable:
      return model.breaker.unusable(now, slot.probe_, spread());
    case Told::rate_limited:
      key.limit.pushed_back(key.in_flight, slot.sent_, now);
      key.cooled_until = std::max(key.cooled_until, now + std::clamp(rest, rest_min, rest_max));
      break;
    case Told::out_of_credit:
      if (reset) reset = std::max(*reset, clock_.now() + spend_rest_min);
      take_out(*slot.provider_, key, KeyFault::out_of_credit, reset);
      break;
    case Told::refused:
      take_out(*slot.provider_, key, KeyFault::refused, {});
      break;
    case Told::forbidden:
      key.forbid(model, now);
      break;
    case Told::alive:
      break;
  }
  // Whoever answers so is up; what else is wrong is dealt with above.
  if (slot.probe_) model.breaker.succeeded(now, true);
}

/// 90 to 110 %, so that several gateways do not probe at one instant.
std::int64_t Backends::spread() { return 90 + static_cast<std::int64_t>(randomness_.next() % 21); }

void Backends::take_out(const ProviderState& provider, KeyState& key, KeyFault fault, std::optional<Instant> until) {
  all_well_.store(false, std::memory_order_relaxed);
  if (key.out_of_service) return;  // one line, however many attempts were in flight
  key.out_of_service = {fault, clock_.now(), until};
  const std::string back = until ? to_rfc3339(*until) : std::string{"when an operator enables it"};
  log(LogLevel::error, "provider_key_out_of_service",
      {{"provider", std::string_view{provider.id}}, {"key", std::string_view{key.id}}, {"cause", to_string(fault)}, {"back", std::string_view{back}}});
}

void Backends::enable(const catalog::Provider& provider, std::size_t key) {
  const std::lock_guard lock{mutex_};
  key_of(provider, key).forgive();
}

void Backends::disable(const catalog::Provider& provider, std::size_t key) {
  const std::lock_guard lock{mutex_};
  KeyState& state = key_of(provider, key);
  state.out_of_service.reset();
  take_out(state_of(provider), state, KeyFault::by_operator, {});
}

// --- telling

HealthView Backends::view(const catalog::Catalog& catalog) {
  if (all_well_.load(std::memory_order_relaxed)) return {};
  const Monotonic now = clock_.monotonic();
  const Instant wall = clock_.now();
  std::vector<std::pair<std::string, Health>> troubled;
  const std::lock_guard lock{mutex_};
  for (const auto& model : catalog.models()) {
    const Health health = health_of(catalog.provider_of(model), model.id, now, wall);
    if (health != Health::ok) troubled.emplace_back(model.target(), health);
  }
  // Whatever is in trouble has come there through judge(), which clears this again.
  if (troubled.empty()) all_well_.store(true, std::memory_order_relaxed);
  return HealthView{std::move(troubled)};
}

Health Backends::health_of(const catalog::Provider& provider, std::string_view model, Monotonic now, Instant wall) {
  if (!providers_.contains(provider.id)) return Health::ok;
  bool rests = false;
  for (std::size_t i = 0; i < provider.keys.size(); ++i) {
    if (provider.keys[i].missing) continue;
    KeyState& key = key_of(provider, i);
    const auto known = key.models.find(model);
    static const ModelState untried;
    const auto available = availability(key, known == key.models.end() ? untried : known->second, now, wall);
    if (!available.why_not || *available.why_not == Unavailable::busy) return Health::ok;
    rests |= *available.why_not == Unavailable::cooling;
  }
  return rests ? Health::degraded : Health::ejected;
}

std::vector<Backends::KeyReport> Backends::keys(const catalog::Catalog& catalog) {
  const Monotonic now = clock_.monotonic();
  const Instant wall = clock_.now();
  std::vector<KeyReport> reports;
  const std::lock_guard lock{mutex_};
  for (const auto& provider : catalog.providers()) {
    for (std::size_t i = 0; i < provider.keys.size(); ++i) {
      const KeyState& key = key_of(provider, i);
      KeyReport& report = reports.emplace_back();
      report.provider = provider.id;
      report.key = key.id;
      report.env = provider.keys[i].env;
      report.missing = provider.keys[i].missing;
      if (key.out_of_service && !(key.out_of_service->until && wall >= *key.out_of_service->until)) report.out_of_service = key.out_of_service;
      report.cooling_s = seconds_until(key.cooled_until, now);
      report.in_flight = key.in_flight;
      report.limit = key.limit.limit();
      report.headroom = key.left(wall);
      for (const auto& [name, model] : key.models) {
        const auto& breaker = model.breaker;
        const double wait = breaker.state() == BackendState::ejected ? seconds_until(breaker.next_probe(), now) : 0;
        report.models.push_back({name, breaker.state(), now < model.forbidden_until, breaker.ejections(), breaker.probes(), wait});
      }
    }
  }
  return reports;
}

std::vector<Backends::RetryReport> Backends::retries(const catalog::Catalog& catalog) {
  std::vector<RetryReport> reports;
  const std::lock_guard lock{mutex_};
  for (const auto& provider : catalog.providers()) {
    const auto& budget = state_of(provider).retries;
    reports.push_back({provider.id, budget.begun(), budget.refused()});
  }
  return reports;
}

// --- states

ProviderState& Backends::state_of(const catalog::Provider& provider) {
  const auto [place, fresh] = providers_.try_emplace(provider.id);
  if (fresh) place->second.id = provider.id;
  return place->second;
}

/// By the key's id, so that a reload which reorders the keys keeps what is known of them. Another secret under the same id
/// is another key, but the operator's word was about the id.
KeyState& Backends::key_of(const catalog::Provider& provider, std::size_t key) {
  ProviderState& state = state_of(provider);
  const auto& described = provider.keys[key];
  auto found = std::ranges::find(state.keys, described.id, [](const auto& known) -> const std::string& { return known->id; });
  if (found == state.keys.end()) {
    state.keys.push_back(std::make_unique<KeyState>(described.id, described.in_flight_max));
    found = state.keys.end() - 1;
    (*found)->fingerprint = described.fingerprint;
  }
  KeyState& known = **found;
  known.limit.set_max(described.in_flight_max);
  if (known.fingerprint != described.fingerprint) {
    known.fingerprint = described.fingerprint;
    known.replaced();
  }
  return known;
}

}  // namespace turnpike::gateway
