// Keys: made, changed, rotated, revoked. One at a time, so that the ring is never older than the
// journal.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <mutex>
#include <utility>

#include "account/ledger_impl.hpp"

namespace turnpike::account {

namespace {

bool is_name(std::string_view text) {
  return text.size() <= 128 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == '@';
         });
}

Result<void> check_account(const Account& key) {
  if (key.org.empty())
    return std::unexpected{client_error("bad_key", "a key belongs to an org; name it", "org")};
  for (const auto& [field, value] :
       {std::pair{"org", &key.org}, {"team", &key.team}, {"user", &key.user}}) {
    if (is_name(*value)) continue;
    return std::unexpected{
        client_error("bad_key",
                     fmt::format("{} may hold letters, digits and . _ - @ only: {}", field,
                                 quoted_for_message(*value)),
                     field)};
  }
  for (const auto& [field, bound] : {std::pair{"concurrency_max", key.concurrency_max},
                                     {"requests_per_minute", key.requests_per_minute},
                                     {"tokens_per_minute", key.tokens_per_minute},
                                     {"weight", std::optional{key.weight}}}) {
    if (!bound || *bound >= 1) continue;
    return std::unexpected{client_error("bad_key", fmt::format("{} is at least 1", field), field)};
  }
  return {};
}

}  // namespace

Result<CreatedKey> Ledger::create_key(const NewKey& key) {
  auto minted = KeyRing::mint(impl_->options.pepper);
  if (!minted) return std::unexpected{minted.error()};
  KeyInfo info;
  auto& account = info.account;
  account.key_id = minted->id;
  account.key_name = key.name;
  account.org = key.org;
  account.team = key.team;
  account.user = key.user;
  account.models_allowed = key.models_allowed;
  account.may_override_route = key.may_override_route;
  account.request_cost_max = key.request_cost_max;
  account.concurrency_max = key.concurrency_max;
  account.requests_per_minute = key.requests_per_minute;
  account.tokens_per_minute = key.tokens_per_minute;
  account.priority = key.priority;
  account.weight = key.weight;
  info.expires = key.expires;
  info.created_by = key.by;
  info.mac = minted->mac;
  if (auto good = check_account(account); !good) return std::unexpected{good.error()};
  std::unique_lock lock{impl_->admin};
  if (auto made = impl_->books.create_key(info); !made) return std::unexpected{made.error()};
  impl_->renew_keys();
  lock.unlock();
  (void)impl_->told_all();  // a key cannot be shown a second time: it is given out also if the
                            // others hear of it later
  return CreatedKey{minted->id, std::move(minted->key)};
}

Result<void> Ledger::change_key(std::string_view key_id, const KeyChange& change,
                                std::string_view by) {
  std::unique_lock lock{impl_->admin};
  auto changed = impl_->books.change_key(key_id, by, [&](KeyInfo& key, Instant) {
    const auto take = [](auto& field, const auto& wanted) {
      if (wanted) field = *wanted;
    };
    auto& account = key.account;
    take(account.key_name, change.name);
    take(account.org, change.org);
    take(account.team, change.team);
    take(account.user, change.user);
    take(account.models_allowed, change.models_allowed);
    take(account.may_override_route, change.may_override_route);
    take(account.request_cost_max, change.request_cost_max);
    take(account.concurrency_max, change.concurrency_max);
    take(account.requests_per_minute, change.requests_per_minute);
    take(account.tokens_per_minute, change.tokens_per_minute);
    take(account.priority, change.priority);
    take(account.weight, change.weight);
    take(key.expires, change.expires);
    take(key.disabled, change.disabled);
    return check_account(account);
  });
  if (!changed) return changed;
  impl_->renew_keys();
  lock.unlock();
  return impl_->told_all();
}

Result<CreatedKey> Ledger::rotate_key(std::string_view key_id, std::chrono::seconds grace,
                                      std::string_view by) {
  if (grace < std::chrono::seconds{0}) {
    return std::unexpected{client_error("bad_key", "the time of grace is not negative", "grace")};
  }
  auto minted = KeyRing::mint_again(impl_->options.pepper, key_id);
  if (!minted) return std::unexpected{minted.error()};
  std::unique_lock lock{impl_->admin};
  auto changed =
      impl_->books.change_key(key_id, by, [&](KeyInfo& key, Instant now) -> Result<void> {
        key.previous_mac.reset();
        key.previous_until.reset();
        if (grace > std::chrono::seconds{0}) {
          key.previous_mac = key.mac;
          key.previous_until = now + grace;
        }
        key.mac = minted->mac;
        return {};
      });
  if (!changed) return std::unexpected{changed.error()};
  impl_->renew_keys();
  lock.unlock();
  (void)impl_->told_all();
  return CreatedKey{minted->id, std::move(minted->key)};
}

Result<void> Ledger::revoke_key(std::string_view key_id, std::string_view by) {
  std::unique_lock lock{impl_->admin};
  auto revoked = impl_->books.revoke_key(key_id, by);
  if (!revoked) return revoked;
  impl_->renew_keys();
  lock.unlock();
  return impl_->told_all();
}

}  // namespace turnpike::account
