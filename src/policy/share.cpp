#include "policy/share.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

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

std::string_view name_of(ShareOf of) {
  switch (of) {
    case ShareOf::tokens:
      return "tokens";
    case ShareOf::spend:
      return "spend";
    case ShareOf::steps:
      break;
  }
  return "steps";
}

/// The steered steps of all scopes of a shard, so that a newcomer need not begin from the
/// calibration.
struct Crowd {
  ShareHistogram scores = ShareHistogram::nothing();
  double bases = 0;  // sum over the same steps
  double steps = 0;

  void take(float score, double base) {
    constexpr double fading = 499.0 / 500;
    scores.remember(score);
    bases = bases * fading + base;
    steps = steps * fading + 1;
  }
};

}  // namespace

struct alignas(64) ShareController::Shard {
  mutable std::mutex mutex;
  Scopes scopes;
  Crowd crowd;
  std::uint64_t clock = 0;  // counts touches, to find the scope longest unseen

  ShareScope& touch(std::string_view name, const ShareScope& newcomer) {
    auto found = scopes.find(name);
    if (found == scopes.end()) {
      if (scopes.size() >= scopes_max / shard_count) forget_oldest();
      found = scopes.emplace(std::string{name}, newcomer).first;
      found->second.life = clock + 1;
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

// --- A step under way.

OpenShareStep::OpenShareStep(OpenShareStep&& other) noexcept
    : controller_(std::exchange(other.controller_, nullptr)),
      scope_(std::move(other.scope_)),
      life_(other.life_),
      step_(other.step_),
      counted_(other.counted_) {}

OpenShareStep::~OpenShareStep() {
  ShareOutcome nothing;
  nothing.ran = false;
  settle(nothing);
}

void OpenShareStep::settle(const ShareOutcome& outcome) {
  if (auto* controller = std::exchange(controller_, nullptr)) controller->settle(*this, outcome);
}

OpenShareStep ShareController::open(std::string_view scope, const ShareStep& step) {
  OpenShareStep opened{*this, std::string{scope}};
  auto& shard = shard_of(scope);
  std::optional<ShareScope> arriving;
  {
    const std::scoped_lock lock{shard.mutex};
    if (!shard.scopes.contains(scope)) arriving.emplace(*fresh_);
  }
  if (arriving) arriving = newcomer();  // asks every shard, so outside of this one's mutex
  const std::scoped_lock lock{shard.mutex};
  auto& place = shard.touch(scope, arriving ? *arriving : *fresh_);
  opened.life_ = place.life;
  opened.step_ = step;
  opened.counted_ = place.open(step);
  if (step.course == ShareCourse::steered) shard.crowd.take(step.score, place.base());
  return opened;
}

/// A scope that was forgotten meanwhile is not told.
void ShareController::settle(OpenShareStep& step, const ShareOutcome& outcome) {
  auto& shard = shard_of(step.scope_);
  const std::scoped_lock lock{shard.mutex};
  const auto found = shard.scopes.find(step.scope_);
  if (found == shard.scopes.end() || found->second.life != step.life_) return;
  found->second.close(step.step_, step.counted_, outcome);
}

void ShareController::observe(std::string_view scope, const Observation& observation) {
  open(scope, {observation.score, observation.frontier, observation.course, observation.weight})
      .settle({true, observation.frontier, observation.weight, observation.at});
}

// --- The controller.

ShareController::ShareController(const FrontierShare& share,
                                 const std::optional<Quantiles>& calibration)
    : share_(share),
      fresh_(std::make_unique<const ShareScope>(
          share.target, share.window, ShareHistogram{calibration ? &*calibration : nullptr})),
      shards_(std::make_unique<Shard[]>(shard_count)) {}

ShareController::~ShareController() = default;

ShareController::Shard& ShareController::shard_of(std::string_view scope) const {
  return shards_[std::hash<std::string_view>{}(scope) % shard_count];
}

ShareScope ShareController::newcomer() const {
  constexpr double own = ShareHistogram::prior_steps;
  ShareHistogram scores = fresh_->scores();
  double bases = fresh_->base() * own;
  double steps = own;
  for (std::size_t i = 0; i < shard_count; ++i) {
    const std::scoped_lock lock{shards_[i].mutex};
    const auto& crowd = shards_[i].crowd;
    scores.add(crowd.scores);
    bases += crowd.bases;
    steps += crowd.steps;
  }
  scores.scale_to(ShareHistogram::prior_steps);
  ShareScope scope = *fresh_;
  scope.begin_from(scores, bases / steps);
  return scope;
}

template <class Use>
auto ShareController::with(std::string_view scope, Use use) const {
  {
    const auto& shard = shard_of(scope);
    const std::scoped_lock lock{shard.mutex};
    const auto found = shard.scopes.find(scope);
    if (found != shard.scopes.end()) return use(found->second);
  }
  return use(newcomer());
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
  return with(scope, [](const ShareScope& known) { return known.steer(); });
}

float ShareController::percentile(std::string_view scope, float score) const {
  return with(scope, [score](const ShareScope& known) { return known.percentile(score); });
}

// --- Told and stored.

ShareController::Report ShareController::report(std::string_view scope, Instant now) const {
  auto report = with(scope, [now](const ShareScope& known) { return known.report(now); });
  report.scope = scope;
  return report;
}

std::vector<ShareController::Report> ShareController::busiest(std::size_t at_most,
                                                              Instant now) const {
  std::vector<std::pair<std::uint64_t, std::string>> names;
  for (std::size_t i = 0; i < shard_count; ++i) {
    const std::scoped_lock lock{shards_[i].mutex};
    for (const auto& [name, scope] : shards_[i].scopes) names.emplace_back(scope.steps(), name);
  }
  std::sort(names.begin(), names.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  if (names.size() > at_most) names.resize(at_most);
  std::vector<Report> reports;
  reports.reserve(names.size());
  for (const auto& [steps, name] : names) reports.push_back(report(name, now));
  std::sort(reports.begin(), reports.end(),
            [](const Report& a, const Report& b) { return a.scope < b.scope; });
  return reports;
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
      text += fmt::format("{} {}\t{}\n", name_of(share_.of), scope.text(), name);
    }
  }
  return text;
}

Result<void> ShareController::restore(std::string_view text) {
  const std::string unit = std::string{name_of(share_.of)} + " ";
  std::vector<std::pair<std::string, ShareScope>> restored;
  for (std::size_t line_number = 1; !text.empty(); ++line_number) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto tab = line.find('\t');
    ShareScope scope = *fresh_;
    const bool sound = line.starts_with(unit) && tab != std::string_view::npos &&
                       scope.parse(line.substr(unit.size(), tab - unit.size()));
    if (!sound)
      return std::unexpected{gateway_error(
          500, "share_state_malformed",
          fmt::format("stored frontier share, line {}: malformed, of another version or not a "
                      "share of {}",
                      line_number, name_of(share_.of)))};
    restored.emplace_back(line.substr(tab + 1), scope);
  }
  for (auto& [name, scope] : restored) {
    auto& shard = shard_of(name);
    const std::scoped_lock lock{shard.mutex};
    auto& place = shard.touch(name, *fresh_);
    scope.last_use = place.last_use;
    scope.life = place.life;
    place = scope;
    shard.crowd.scores.add(scope.scores());
    shard.crowd.bases += scope.base() * ShareHistogram::prior_steps;
    shard.crowd.steps += ShareHistogram::prior_steps;
  }
  return {};
}

}  // namespace turnpike::policy
