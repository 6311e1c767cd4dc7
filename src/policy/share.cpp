#include "policy/share.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "policy/share_scope.hpp"

namespace turnpike::policy {
namespace {

struct ScopeHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

using Scopes = std::unordered_map<std::string, ShareScope, ScopeHash, std::equal_to<>>;

constexpr std::string_view line_tag = "share1 ";

}  // namespace

struct alignas(64) ShareController::Shard {
  mutable std::mutex mutex;
  Scopes scopes;
  std::uint64_t clock = 0;  // counts observations, to find the scope longest unseen

  ShareScope& touch(std::string_view name, const ShareScope& fresh) {
    auto found = scopes.find(name);
    if (found == scopes.end()) {
      if (scopes.size() >= scopes_max / shard_count) forget_oldest();
      found = scopes.emplace(std::string{name}, fresh).first;
    }
    found->second.last_use = ++clock;
    return found->second;
  }

  void forget_oldest() {
    const auto oldest = std::min_element(
        scopes.begin(), scopes.end(),
        [](const auto& a, const auto& b) { return a.second.last_use < b.second.last_use; });
    if (oldest != scopes.end()) scopes.erase(oldest);
  }
};

ShareController::ShareController(const FrontierShare& share,
                                 const std::optional<Quantiles>& calibration)
    : share_(share),
      fresh_(std::make_unique<const ShareScope>(share.target, share.window, calibration)),
      shards_(std::make_unique<Shard[]>(shard_count)) {}

ShareController::~ShareController() = default;

ShareController::Shard& ShareController::shard_of(std::string_view scope) const {
  return shards_[std::hash<std::string_view>{}(scope) % shard_count];
}

std::string ShareController::scope_of(const Account& account) const {
  switch (share_.per) {
    case SharePer::key:
      return "key:" + account.key_id;
    case SharePer::team:
      return "team:" + account.org + "/" + account.team;
    case SharePer::all:
      break;
  }
  return "all";
}

ShareController::Steering ShareController::steer(std::string_view scope) const {
  const auto& shard = shard_of(scope);
  const std::scoped_lock lock{shard.mutex};
  const auto found = shard.scopes.find(scope);
  return found == shard.scopes.end() ? fresh_->steer() : found->second.steer();
}

float ShareController::percentile(std::string_view scope, float score) const {
  const auto& shard = shard_of(scope);
  const std::scoped_lock lock{shard.mutex};
  const auto found = shard.scopes.find(scope);
  return found == shard.scopes.end() ? fresh_->percentile(score) : found->second.percentile(score);
}

void ShareController::observe(std::string_view scope, const Observation& observation) {
  auto& shard = shard_of(scope);
  const std::scoped_lock lock{shard.mutex};
  shard.touch(scope, *fresh_).observe(observation);
}

ShareController::Report ShareController::report(std::string_view scope, Instant now) const {
  const auto& shard = shard_of(scope);
  const std::scoped_lock lock{shard.mutex};
  const auto found = shard.scopes.find(scope);
  return found == shard.scopes.end() ? fresh_->report(now) : found->second.report(now);
}

std::vector<std::string> ShareController::scopes() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < shard_count; ++i) {
    const std::scoped_lock lock{shards_[i].mutex};
    for (const auto& [name, scope] : shards_[i].scopes) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ShareController::serialise() const {
  std::string text;
  for (std::size_t i = 0; i < shard_count; ++i) {
    const std::scoped_lock lock{shards_[i].mutex};
    for (const auto& [name, scope] : shards_[i].scopes) {
      if (name.find('\n') != std::string::npos) continue;  // no configured name holds one
      text += fmt::format("{}{}\t{}\n", line_tag, scope.text(), name);
    }
  }
  return text;
}

Result<void> ShareController::restore(std::string_view text) {
  std::vector<std::pair<std::string, ShareScope>> restored;
  for (std::size_t line_number = 1; !text.empty(); ++line_number) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto tab = line.find('\t');
    ShareScope scope = *fresh_;
    const bool sound = line.starts_with(line_tag) && tab != std::string_view::npos &&
                       scope.parse(line.substr(line_tag.size(), tab - line_tag.size()));
    if (!sound)
      return std::unexpected{
          gateway_error(500, "share_state_malformed",
                        fmt::format("stored frontier share, line {}", line_number))};
    restored.emplace_back(line.substr(tab + 1), scope);
  }
  for (auto& [name, scope] : restored) {
    auto& shard = shard_of(name);
    const std::scoped_lock lock{shard.mutex};
    auto& place = shard.touch(name, *fresh_);
    scope.last_use = place.last_use;
    place = scope;
  }
  return {};
}

}  // namespace turnpike::policy
