// Virtual keys: who is asking. A KeyRing is immutable; the ledger swaps in a new one when a key is
// made or revoked.
//
// key := "tp_" id "_" secret; id: 12 characters, secret: 39 characters (192 bits) of lower-case
// Crockford base32. Only HMAC-SHA256(pepper, secret) is stored; the secret is shown once, when the
// key is made.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "turnpike/account.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"
#include "turnpike/secret.hpp"
#include "turnpike/stream.hpp"

namespace turnpike::account {

using KeyMac = std::array<std::uint8_t, 32>;

/// What an operator asks for when making a key.
struct NewKey {
  std::string name;  // for people and reports: "ci"
  std::string org;   // required: letters, digits and . _ - @ (so for team and user)
  std::string team;
  std::string user;
  std::vector<std::string> models_allowed;
  bool may_override_route = false;
  std::optional<Credits> request_cost_max;
  std::optional<std::int32_t> concurrency_max;
  std::optional<std::int32_t> requests_per_minute;
  std::optional<std::int32_t> tokens_per_minute;
  Priority priority = Priority::interactive;
  std::int32_t weight = 1;
  std::optional<Instant> expires;
  std::string by;
};

struct CreatedKey {
  std::string id;
  Secret key;  // the whole "tp_<id>_<secret>"; cannot be had a second time
};

/// What is to be different about a key; what is not given stays. An inner nullopt takes a bound away.
struct KeyChange {
  std::optional<std::string> name;
  std::optional<std::string> org;  // moving a key: from now on its spending is charged elsewhere
  std::optional<std::string> team;
  std::optional<std::string> user;
  std::optional<std::vector<std::string>> models_allowed;
  std::optional<bool> may_override_route;
  std::optional<bool> disabled;
  std::optional<std::optional<Credits>> request_cost_max;
  std::optional<std::optional<std::int32_t>> concurrency_max;
  std::optional<std::optional<std::int32_t>> requests_per_minute;
  std::optional<std::optional<std::int32_t>> tokens_per_minute;
  std::optional<Priority> priority;
  std::optional<std::int32_t> weight;
  std::optional<std::optional<Instant>> expires;
};

/// Everything about a key except its secret.
struct KeyInfo {
  Account account;
  Instant created{};
  std::string created_by;
  std::optional<Instant> changed;
  std::string changed_by;
  std::optional<Instant> expires;
  bool disabled = false;  // like revoked, but may be undone
  std::optional<Instant> revoked;
  std::string revoked_by;
  KeyMac mac{};
  /// After a rotation the secret before it is good until then, so that its users can be moved over.
  std::optional<KeyMac> previous_mac;
  std::optional<Instant> previous_until;
};

/// The account of requests without a key where `insecure_allow_anonymous` is set. key_id
/// "anonymous", org "anonymous".
std::shared_ptr<const Account> anonymous_account();

/// The credential of a request: Authorization: Bearer, x-api-key, x-goog-api-key or api-key. Empty
/// if there is none; 400 `conflicting_credentials` if several differ.
Result<std::string_view> find_credential(const HeaderList& headers);

/// One answer for missing, malformed, unknown, expired and revoked keys: 401, never worth a retry.
Error invalid_api_key();

/// Any thread.
class KeyRing {
 public:
  KeyRing(Secret pepper, const std::vector<KeyInfo>& keys, bool allow_anonymous);

  /// About 1 us: one look-up, one HMAC, compared in constant time. 401 or 400 as described above.
  [[nodiscard]] Result<std::shared_ptr<const Account>> authenticate(const HeaderList& headers,
                                                                    Instant now) const;
  /// The usable keys; without any, and without anonymous access, the gateway has nobody to serve.
  [[nodiscard]] std::size_t size() const { return keys_.size(); }

  struct Minted {
    std::string id;
    KeyMac mac{};
    Secret key;
  };
  /// A fresh key from the operating system's random source. Error `no_randomness` if it fails.
  [[nodiscard]] static Result<Minted> mint(const Secret& pepper);
  /// As mint(), but a new secret for the key that has `id`.
  [[nodiscard]] static Result<Minted> mint_again(const Secret& pepper, std::string_view id);

 private:
  struct Held {
    std::shared_ptr<const Account> account;
    KeyMac mac{};
    std::optional<Instant> expires;
    std::optional<KeyMac> previous_mac;
    std::optional<Instant> previous_until;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  Secret pepper_;
  bool allow_anonymous_;
  std::unordered_map<std::string, Held, Hash, std::equal_to<>> keys_;  // revoked and disabled ones are left out
};

}  // namespace turnpike::account
