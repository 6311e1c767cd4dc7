// Which backends may be asked - provider x model x key - and with which key the next attempt goes. Shared by all loops.
// Source: reliability specification §9.
//
//   take() --> BackendSlot, held while the attempt runs --end(told)--> breaker, cool-down, concurrency limit of the key
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.hpp"
#include "gateway/key_state.hpp"
#include "gateway/retry_budget.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/ids.hpp"
#include "turnpike/route_inputs.hpp"

namespace turnpike::gateway {

/// What an attempt told of its backend.
enum class Told : std::uint8_t {
  served,         // content came, or the whole answer
  alive,          // it answered, and the fault was not its own: a 400, a prompt too long
  nothing,        // called off
  failed,         // refused, reset, timed out, 5xx, an answer that is none
  unusable,       // it answered, with calls that are none or with nothing: the model's fault, or brought on by the request
  overloaded,     // failed, and asks for less: 529
  rate_limited,   // 429
  out_of_credit,  // 429 or 402 for the account's spend limit or balance
  refused,        // 401: the key is not known
  forbidden,      // 403: not this model, with this key
};
/// `status` is the provider's; 0 if none came.
Told told_by(const Error& error, int status);

/// A backend is asked for one attempt of one request.
struct BackendWanted {
  const catalog::Provider& provider;
  std::string_view model;
  std::string_view conversation;  // its prompt cache lies with one key; empty: any key will do
  std::uint64_t keys_tried = 0;   // bits of provider.keys that have refused this request
  bool retry = false;             // counts against the provider's retry budget
};

struct Refusal {
  Unavailable why = Unavailable::no_key;
  Monotonic until{};  // zero: nobody knows
};

struct ProviderState {
  std::string id;
  RetryBudget retries;
  std::int64_t in_flight = 0;
  std::vector<std::unique_ptr<KeyState>> keys;
};

class Backends;

/// The right to one attempt. Its end without end() tells nothing of the backend. Any thread, one at a time.
class BackendSlot {
 public:
  BackendSlot(BackendSlot&& other) noexcept;
  BackendSlot& operator=(BackendSlot&&) = delete;
  BackendSlot(const BackendSlot&) = delete;
  BackendSlot& operator=(const BackendSlot&) = delete;
  ~BackendSlot();

  [[nodiscard]] std::size_t key() const { return key_index_; }  // into catalog::Provider::keys
  [[nodiscard]] const std::string& key_id() const;

  /// Content comes: a probe has succeeded, however long the answer will be.
  void answering();
  /// What the answer's head says of the key's rate limit; the best of the provider's keys.
  Headroom learn(const Headroom& headroom);
  /// Once. `rest`: how long a rate-limited key is left alone; `reset`: when the account may spend again, if it was told.
  void end(Told told, std::chrono::seconds rest = {}, std::optional<Instant> reset = {});

 private:
  friend class Backends;
  explicit BackendSlot(Backends& owner) : owner_(&owner) {}

  Backends* owner_;  // null: moved from, or ended
  std::size_t key_index_ = 0;
  ProviderState* provider_ = nullptr;
  KeyState* key_ = nullptr;
  ModelState* model_ = nullptr;
  bool retry_ = false;
  bool probe_ = false;
  std::uint64_t generation_ = 0;  // of the key when it was chosen
  Monotonic sent_{};
};

/// Any thread; one mutex, held for a look-up. While nothing is in trouble, view() is one relaxed load. States are made when
/// they are first asked for and live as long as this object; configuration bounds their number.
class Backends {
 public:
  Backends(const Clock& clock, Randomness& randomness) : clock_(clock), randomness_(randomness) {}

  /// The key that serves the conversation, if it can; else the one with the least to do for its weight and headroom.
  std::expected<BackendSlot, Refusal> take(const BackendWanted& wanted);
  /// Where take() found none of these available: the one that was ejected first, if it may be probed before its time. The
  /// index is into `all`.
  std::optional<std::pair<std::size_t, BackendSlot>> take_least_recently_ejected(std::span<const BackendWanted> all);
  /// A key for a call beside the requests (a count, a shadow), which tells nothing of the backend. nullopt: none is in order.
  [[nodiscard]] std::optional<std::size_t> key_for(const catalog::Provider& provider, std::string_view model, std::string_view conversation);

  /// Copied into the decision. ejected: no key can be asked; degraded: all of them rest after a 429. A backend whose time is
  /// over stands in its usual place, so that the probe is an ordinary request.
  [[nodiscard]] HealthView view(const catalog::Catalog& catalog);

  struct ModelReport {
    std::string model;
    BackendState state = BackendState::ok;
    bool forbidden = false;
    std::uint32_t ejections = 0;
    std::uint32_t probes = 0;
    double next_probe_s = 0;
  };
  struct KeyReport {
    std::string provider, key, env;
    bool missing = false;
    std::optional<KeyState::OutOfService> out_of_service;
    double cooling_s = 0;
    std::int64_t in_flight = 0;
    std::int64_t limit = 0;
    float headroom = 1;
    std::vector<ModelReport> models;  // that have been asked with this key
  };
  struct RetryReport {
    std::string provider;
    std::int64_t retries = 0;
    std::int64_t refused = 0;
  };
  [[nodiscard]] std::vector<KeyReport> keys(const catalog::Catalog& catalog);
  [[nodiscard]] std::vector<RetryReport> retries(const catalog::Catalog& catalog);

  /// The operator's word: in service again, without a memory; or out of it until further notice.
  void enable(const catalog::Provider& provider, std::size_t key);
  void disable(const catalog::Provider& provider, std::size_t key);

 private:
  friend class BackendSlot;
  struct Found;

  ProviderState& state_of(const catalog::Provider& provider);
  KeyState& key_of(const catalog::Provider& provider, std::size_t key);
  Health health_of(const catalog::Provider& provider, std::string_view model, Monotonic now, Instant wall);
  std::expected<Found, Refusal> best_key(const BackendWanted& wanted);
  BackendSlot begin(const BackendWanted& wanted, ProviderState& state, const Found& found);
  void end(BackendSlot& slot, Told told, std::chrono::seconds rest, std::optional<Instant> reset);
  void judge(const BackendSlot& slot, Told told, std::chrono::seconds rest, std::optional<Instant> reset);
  std::int64_t spread();
  void take_out(const ProviderState& provider, KeyState& key, KeyFault fault, std::optional<Instant> until);

  const Clock& clock_;
  Randomness& randomness_;
  std::atomic<bool> all_well_{true};
  std::mutex mutex_;
  std::map<std::string, ProviderState, std::less<>> providers_;
};

}  // namespace turnpike::gateway
