#include "app/key_json.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "app/json_fields.hpp"
#include "catalog/fault.hpp"

namespace turnpike::app {
namespace {

using account::KeyEvent;
using account::KeyInfo;
using nlohmann::ordered_json;

constexpr std::int64_t tokens_per_minute_max = 1'000'000'000;
constexpr std::int64_t weight_max = 1000;

std::string or_none(const std::string& text) { return text.empty() ? "none" : text; }

template <typename Value>
std::string or_none(const std::optional<Value>& value) {
  if (!value) return "none";
  if constexpr (std::is_same_v<Value, Instant>) {
    return to_rfc3339(*value);
  } else if constexpr (std::is_same_v<Value, Credits>) {
    return turnpike::to_string(*value);
  } else {
    return fmt::format("{}", *value);
  }
}

std::string patterns_text(const std::vector<std::string>& patterns) {
  return patterns.empty() ? "all" : fmt::format("{}", fmt::join(patterns, " "));
}

std::string_view name_of(KeyEvent event) {
  switch (event) {
    case KeyEvent::created:
      return "created";
    case KeyEvent::changed:
      return "changed";
    case KeyEvent::revoked:
      return "revoked";
  }
  return "changed";
}

Result<std::optional<std::vector<std::string>>> read_patterns(const ordered_json& body) {
  constexpr std::string_view field = "models_allowed";
  const auto found = body.find(field);
  if (found == body.end()) return std::nullopt;
  std::vector<std::string> patterns;
  if (found->is_null()) return patterns;
  const auto wrong =
      bad_field(field, "must be a list of names or wildcards like [\"deepseek/*\", \"bulk\"]");
  if (!found->is_array()) return std::unexpected{wrong};
  for (const auto& pattern : *found) {
    if (!pattern.is_string() || pattern.get_ref<const std::string&>().empty())
      return std::unexpected{wrong};
    patterns.push_back(pattern.get<std::string>());
  }
  return patterns;
}

/// The name of a key is what people tell it by, so it is not empty.
Result<std::optional<std::string>> read_name(const ordered_json& body) {
  auto name = read_text(body, "name");
  if (name && *name && (*name)->empty())
    return std::unexpected{bad_field("name", "must not be empty")};
  return name;
}

/// Moves a field's value to its place, or keeps the first error.
class Fill {
 public:
  template <typename Value, typename Target>
  void operator()(Result<Value> read, Target& target) {
    if (!read) {
      if (!error_) error_ = std::move(read.error());
    } else {
      target = *std::move(read);
    }
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  std::optional<Error> error_;
};

/// Null means the usual one.
Result<std::optional<Priority>> read_priority(const ordered_json& body) {
  const auto found = body.find("priority");
  if (found == body.end()) return std::nullopt;
  if (found->is_null()) return Priority::interactive;
  const auto priority =
      found->is_string() ? parse_priority(found->get_ref<const std::string&>()) : std::nullopt;
  if (!priority)
    return std::unexpected{bad_field("priority", "must be \"interactive\" or \"batch\"")};
  return priority;
}

Result<std::optional<std::int32_t>> read_weight(const ordered_json& body) {
  const auto weight = read_count_bound(body, "weight", weight_max);
  if (!weight)
    return std::unexpected{bad_field(
        "weight", fmt::format("must be a whole number from 1, the usual, to {}", weight_max))};
  if (!*weight) return std::nullopt;
  return (*weight)->value_or(1);
}

/// How much of the key's traffic is let in, and in which order.
void read_traffic(const ordered_json& body, Fill& fill, account::KeyChange& into) {
  fill(read_count_bound(body, "requests_per_minute"), into.requests_per_minute);
  fill(read_count_bound(body, "tokens_per_minute", tokens_per_minute_max), into.tokens_per_minute);
  fill(read_priority(body), into.priority);
  fill(read_weight(body), into.weight);
}

}  // namespace

std::string_view state_of(const KeyInfo& key, Instant now) {
  if (key.revoked) return "revoked";
  if (key.expires && now >= *key.expires) return "expired";
  return key.disabled ? "disabled" : "active";
}

ordered_json to_json(const KeyInfo& key, Instant now) {
  ordered_json json;
  json["id"] = key.account.key_id;
  json["name"] = key.account.key_name;
  json["org"] = key.account.org;
  json["team"] = key.account.team;
  json["user"] = key.account.user;
  json["state"] = state_of(key, now);
  json["models_allowed"] = key.account.models_allowed;
  json["may_override_route"] = key.account.may_override_route;
  json["request_cost_max"] = json_of(key.account.request_cost_max);
  json["concurrency_max"] = json_of(key.account.concurrency_max);
  json["requests_per_minute"] = json_of(key.account.requests_per_minute);
  json["tokens_per_minute"] = json_of(key.account.tokens_per_minute);
  json["priority"] = to_string(key.account.priority);
  json["weight"] = key.account.weight;
  json["created"] = to_rfc3339(key.created);
  json["created_by"] = key.created_by;
  json["changed"] = json_of(key.changed);
  json["changed_by"] = key.changed ? ordered_json(key.changed_by) : ordered_json(nullptr);
  json["expires"] = json_of(key.expires);
  json["revoked"] = json_of(key.revoked);
  json["revoked_by"] = key.revoked ? ordered_json(key.revoked_by) : ordered_json(nullptr);
  const bool rotating = key.previous_until && now < *key.previous_until;
  json["old_secret_until"] = rotating ? json_of(key.previous_until) : ordered_json(nullptr);
  return json;
}

ordered_json to_json(const std::vector<account::KeyHistoryEntry>& history) {
  auto list = ordered_json::array();
  const KeyInfo* before = nullptr;
  for (const auto& change : history) {
    ordered_json json;
    json["entry"] = change.entry;
    json["at"] = to_rfc3339(change.at);
    json["event"] = name_of(change.event);
    json["by"] = change.by;
    json["changes"] = ordered_json::array();
    if (before != nullptr) json["changes"] = differences(*before, change.key);
    before = &change.key;
    list.push_back(std::move(json));
  }
  return list;
}

Result<account::NewKey> read_new_key(const ordered_json& body) {
  if (auto good = check_fields(
          body, {"name", "org", "team", "user", "models_allowed", "expires", "request_cost_max",
                 "concurrency_max", "requests_per_minute", "tokens_per_minute", "priority", "weight",
                 "may_override_route", "windows", "by"});
      !good) {
    return std::unexpected{good.error()};
  }
  Fill fill;
  account::KeyChange read;
  fill(read_name(body), read.name);
  fill(read_text(body, "org"), read.org);
  fill(read_text(body, "team"), read.team);
  fill(read_text(body, "user"), read.user);
  fill(read_patterns(body), read.models_allowed);
  fill(read_flag(body, "may_override_route"), read.may_override_route);
  fill(read_credits_bound(body, "request_cost_max"), read.request_cost_max);
  fill(read_count_bound(body, "concurrency_max"), read.concurrency_max);
  read_traffic(body, fill, read);
  fill(read_instant_bound(body, "expires"), read.expires);
  account::NewKey key;
  fill(read_by(body), key.by);
  if (fill.error()) return std::unexpected{*fill.error()};
  if (!read.name) return std::unexpected{bad_field("name", "is missing")};
  if (!read.org) return std::unexpected{bad_field("org", "is missing")};
  key.name = *std::move(read.name);
  key.org = *std::move(read.org);
  key.team = std::move(read.team).value_or("");
  key.user = std::move(read.user).value_or("");
  key.models_allowed = std::move(read.models_allowed).value_or(std::vector<std::string>{});
  key.may_override_route = read.may_override_route.value_or(false);
  key.request_cost_max = read.request_cost_max.value_or(std::nullopt);
  key.concurrency_max = read.concurrency_max.value_or(std::nullopt);
  key.requests_per_minute = read.requests_per_minute.value_or(std::nullopt);
  key.tokens_per_minute = read.tokens_per_minute.value_or(std::nullopt);
  key.priority = read.priority.value_or(Priority::interactive);
  key.weight = read.weight.value_or(1);
  key.expires = read.expires.value_or(std::nullopt);
  return key;
}

Result<account::KeyChange> read_key_change(const ordered_json& body) {
  if (auto good = check_fields(
          body, {"name", "org", "team", "user", "models_allowed", "expires", "request_cost_max",
                 "concurrency_max", "requests_per_minute", "tokens_per_minute", "priority", "weight",
                 "may_override_route", "disabled", "by"});
      !good) {
    return std::unexpected{good.error()};
  }
  Fill fill;
  account::KeyChange change;
  fill(read_name(body), change.name);
  fill(read_text(body, "org"), change.org);
  fill(read_text(body, "team"), change.team);
  fill(read_text(body, "user"), change.user);
  fill(read_patterns(body), change.models_allowed);
  fill(read_flag(body, "may_override_route"), change.may_override_route);
  fill(read_flag(body, "disabled"), change.disabled);
  fill(read_credits_bound(body, "request_cost_max"), change.request_cost_max);
  fill(read_count_bound(body, "concurrency_max"), change.concurrency_max);
  read_traffic(body, fill, change);
  fill(read_instant_bound(body, "expires"), change.expires);
  if (fill.error()) return std::unexpected{*fill.error()};
  return change;
}

Result<KeyInfo> find_key(const std::vector<KeyInfo>& keys, std::string_view wanted) {
  std::vector<const KeyInfo*> named;
  std::vector<std::string> known;
  for (const auto& key : keys) {
    if (key.account.key_id == wanted) return key;
    if (key.account.key_name == wanted) named.push_back(&key);
    known.push_back(key.account.key_id);
    known.push_back(key.account.key_name);
  }
  // A name may be used again once its key is revoked: then the key in use is meant.
  if (std::ranges::any_of(named, [](const auto* key) { return !key->revoked; })) {
    std::erase_if(named, [](const auto* key) { return key->revoked.has_value(); });
  }
  if (named.size() == 1) return *named.front();
  if (named.empty()) {
    return std::unexpected{
        client_error("unknown_key",
                     fmt::format("no key has the id or name {}{}", quoted_for_message(wanted),
                                 catalog::nearest_hint(wanted, known)),
                     "id", 404)};
  }
  std::vector<std::string_view> ids;
  for (const auto* key : named) ids.push_back(key->account.key_id);
  return std::unexpected{
      client_error("ambiguous_key",
                   fmt::format("{} keys have the name {}; give the id of one: {}", named.size(),
                               quoted_for_message(wanted), fmt::join(ids, ", ")),
                   "id", 409)};
}

std::vector<std::string> differences(const KeyInfo& before, const KeyInfo& after) {
  std::vector<std::string> lines;
  const auto compare = [&lines](std::string_view field, const std::string& from,
                                const std::string& to) {
    if (from != to) lines.push_back(fmt::format("{} {} -> {}", field, from, to));
  };
  const auto& a = before.account;
  const auto& b = after.account;
  compare("name", a.key_name, b.key_name);
  compare("org", a.org, b.org);
  compare("team", or_none(a.team), or_none(b.team));
  compare("user", or_none(a.user), or_none(b.user));
  compare("models", patterns_text(a.models_allowed), patterns_text(b.models_allowed));
  compare("expires", or_none(before.expires), or_none(after.expires));
  compare("request_cost_max", or_none(a.request_cost_max), or_none(b.request_cost_max));
  compare("concurrency_max", or_none(a.concurrency_max), or_none(b.concurrency_max));
  compare("requests_per_minute", or_none(a.requests_per_minute), or_none(b.requests_per_minute));
  compare("tokens_per_minute", or_none(a.tokens_per_minute), or_none(b.tokens_per_minute));
  compare("priority", std::string{to_string(a.priority)}, std::string{to_string(b.priority)});
  compare("weight", fmt::format("{}", a.weight), fmt::format("{}", b.weight));
  compare("may_override_route", a.may_override_route ? "yes" : "no",
          b.may_override_route ? "yes" : "no");
  if (before.disabled != after.disabled)
    lines.emplace_back(after.disabled ? "disabled" : "enabled");
  if (before.mac != after.mac) {
    lines.push_back(after.previous_until ? fmt::format("a new secret; the old one until {}",
                                                       to_rfc3339(*after.previous_until))
                                         : std::string{"a new secret; the old one ended at once"});
  }
  if (!before.revoked && after.revoked) lines.emplace_back("revoked");
  return lines;
}

}  // namespace turnpike::app
