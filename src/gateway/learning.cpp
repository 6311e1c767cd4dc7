// state := "TPKL" format:u32 layout:u64 version:text frozen:u8 outcomes:u32 u64* groups:u32 (name:text learner)* checksum:u64
// text := length:u16 bytes. All little-endian; the checksum is FNV-1a over everything before it.
#include "gateway/learning.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "classify/state_bytes.hpp"

namespace turnpike::gateway {
namespace {

constexpr std::string_view magic = "TPKL";
constexpr std::uint32_t format = 1;
constexpr std::string_view others = "others";
constexpr std::size_t sources = static_cast<std::size_t>(OutcomeSource::count_);

std::uint64_t checksum_of(std::string_view bytes) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return hash;
}

void put_text(std::string& out, std::string_view text) {
  text = text.substr(0, UINT16_MAX);
  classify::put(out, static_cast<std::uint16_t>(text.size()));
  out += text;
}

bool take_text(std::span<const std::byte>& in, std::string& text) {
  std::uint16_t size = 0;
  if (!classify::take(in, size) || in.size() < size) return false;
  text.assign(reinterpret_cast<const char*>(in.data()), size);
  in = in.subspan(size);
  return true;
}

Error malformed(std::string_view why) {
  return gateway_error(500, "classifier_state_malformed", "what the classifier has learned: " + std::string{why});
}

Error unknown_group(std::string_view group) {
  return client_error("unknown_group", "No group " + quoted_for_message(group) + " has learned anything; `turnpike classifier show` lists them.", {}, 404);
}

/// The bytes between the head and the checksum, both of which are good.
Result<std::span<const std::byte>> checked_body(std::string_view bytes) {
  constexpr std::size_t tail = sizeof(std::uint64_t);
  if (bytes.size() < magic.size() + tail || !bytes.starts_with(magic)) return std::unexpected{malformed("not such a file")};
  auto end = std::as_bytes(std::span{bytes}.last(tail));
  std::uint64_t checksum = 0;
  if (!classify::take(end, checksum) || checksum != checksum_of(bytes.substr(0, bytes.size() - tail)))
    return std::unexpected{malformed("the checksum is wrong")};
  auto body = std::as_bytes(std::span{bytes.substr(magic.size(), bytes.size() - magic.size() - tail)});
  std::uint32_t found = 0;
  if (!classify::take(body, found) || found != format) return std::unexpected{malformed("written by another version")};
  return body;
}

}  // namespace

std::string Learning::group_of(const policy::Policy& policy, const Account& account) {
  switch (policy.classifier.learn) {
    case policy::LearnPer::off:
      return {};
    case policy::LearnPer::policy:
      return "policy:" + policy.name;
    case policy::LearnPer::team:
      return "team:" + account.org + "/" + account.team;
    case policy::LearnPer::key:
      break;
  }
  return "key:" + account.key_id;
}

std::shared_ptr<classify::Learner> Learning::find(std::string_view group) const {
  const std::shared_lock lock{mutex_};
  if (const auto found = groups_.find(group); found != groups_.end()) return found->second;
  if (groups_.size() < groups_max || group.empty()) return nullptr;
  const auto shared = groups_.find(others);
  return shared != groups_.end() ? shared->second : nullptr;
}

std::shared_ptr<classify::Learner> Learning::find_or_make(std::string_view group) {
  if (group.empty()) return nullptr;
  if (auto found = find(group)) return found;
  auto fresh = std::make_shared<classify::Learner>(classifier_);
  const std::unique_lock lock{mutex_};
  fresh->freeze(frozen());
  const std::string_view name = groups_.size() < groups_max ? group : others;
  return groups_.try_emplace(std::string{name}, std::move(fresh)).first->second;
}

Difficulty Learning::classify(std::string_view group, const RequestFacts& facts, classify::Footprint* kept) const {
  if (const auto learner = find(group)) return learner->classify(facts, kept);
  Difficulty difficulty = classifier_.classify(facts, nullptr, kept);
  difficulty.weak_fails = shipped_.weak_fails(difficulty.score);
  return difficulty;
}

void Learning::learn(std::string_view group, const classify::Footprint& footprint, const Outcome& outcome) {
  const auto learner = frozen() ? find(group) : find_or_make(group);
  if (!learner || learner->frozen()) return;
  outcomes_[static_cast<std::size_t>(outcome.source)].fetch_add(1, std::memory_order_relaxed);
  const bool known = outcome.source == OutcomeSource::shadow_pair || outcome.source == OutcomeSource::taught;
  learner->learn(footprint, {outcome.weak_failed, outcome.strong_right, outcome.weight},
                 known ? classify::Learner::Kind::known : classify::Learner::Kind::hint);
  revision_.fetch_add(1, std::memory_order_relaxed);
}

void Learning::watch(const policy::Policy& policy, const Exchange& exchange, classify::Footprint footprint) {
  if (!policy.classifier.weak_signals || exchange.attempts.empty() || exchange.error || exchange.decision.candidates.empty()) return;
  const std::string group = group_of(policy, *exchange.account);
  if (group.empty()) return;
  const auto served = std::ranges::find(exchange.decision.candidates, exchange.attempts.back().target, &Candidate::target);
  if (served == exchange.decision.candidates.end()) return;
  const auto tier = policy.tier_named(served->tier.empty() ? exchange.decision.tier : served->tier);
  const auto escalated = [](const Why& why) { return why.reason == Reason::escalated; };
  const SeenStep step{.owner = exchange.account->key_id,
                      .group = group,
                      .facts = exchange.facts,
                      .bulk = tier && !policy.tiers[*tier].frontier,
                      .unusable = exchange.answer && exchange.answer->unusable(),
                      .escalated = std::ranges::any_of(exchange.decision.why, escalated)};
  if (!WeakSignals::watches(step)) return;
  if (const auto hint = signals_.observe(step, std::move(footprint))) learn(hint->group, hint->footprint, hint->outcome);
}

std::shared_ptr<classify::Learner> Learning::learner(std::string_view group) const {
  const std::shared_lock lock{mutex_};
  const auto found = groups_.find(group);
  return found != groups_.end() ? found->second : nullptr;
}

Result<void> Learning::freeze(std::string_view group, bool frozen) {
  const std::shared_lock lock{mutex_};
  revision_.fetch_add(1, std::memory_order_relaxed);
  if (group.empty()) {
    frozen_.store(frozen, std::memory_order_relaxed);
    for (const auto& [name, learner] : groups_) learner->freeze(frozen);
    return {};
  }
  const auto found = groups_.find(group);
  if (found == groups_.end()) return std::unexpected{unknown_group(group)};
  found->second->freeze(frozen);
  return {};
}

Result<void> Learning::reset(std::string_view group) {
  const std::unique_lock lock{mutex_};
  revision_.fetch_add(1, std::memory_order_relaxed);
  if (group.empty()) {
    groups_.clear();
    return {};
  }
  const auto found = groups_.find(group);
  if (found == groups_.end()) return std::unexpected{unknown_group(group)};
  groups_.erase(found);
  return {};
}

std::vector<std::pair<std::string, std::shared_ptr<classify::Learner>>> Learning::sorted() const {
  std::vector<std::pair<std::string, std::shared_ptr<classify::Learner>>> out;
  {
    const std::shared_lock lock{mutex_};
    out.assign(groups_.begin(), groups_.end());
  }
  std::ranges::sort(out, std::less{}, [](const auto& entry) { return entry.first; });
  return out;
}

std::vector<Learning::GroupReport> Learning::report() const {
  std::vector<GroupReport> out;
  for (const auto& [name, learner] : sorted()) out.push_back({name, learner->report()});
  return out;
}

std::string Learning::state() const {
  std::string out{magic};
  classify::put(out, format);
  classify::put(out, classify::feature_layout(classifier_));
  put_text(out, classifier_.version());
  classify::put(out, static_cast<std::uint8_t>(frozen() ? 1 : 0));
  classify::put(out, static_cast<std::uint32_t>(sources));
  for (const auto& count : outcomes_) classify::put(out, count.load(std::memory_order_relaxed));
  const auto groups = sorted();
  classify::put(out, static_cast<std::uint32_t>(groups.size()));
  for (const auto& [name, learner] : groups) {
    put_text(out, name);
    learner->write(out);
  }
  classify::put(out, checksum_of(out));
  return out;
}

Result<void> Learning::restore(std::string_view bytes) {
  auto body = checked_body(bytes);
  if (!body) return std::unexpected{body.error()};
  auto& in = *body;
  std::uint64_t layout = 0;
  std::string version;
  std::uint8_t frozen = 0;
  std::uint32_t count = 0;
  if (!classify::take(in, layout) || !take_text(in, version)) return std::unexpected{malformed("it is cut short")};
  if (layout != classify::feature_layout(classifier_)) {
    return std::unexpected{gateway_error(500, "classifier_state_of_other_features",
                                         "what the classifier has learned belongs to " + quoted_for_message(version) +
                                             ", whose features are others than those of " + std::string{classifier_.version()})};
  }
  if (!classify::take(in, frozen) || !classify::take(in, count) || count != sources) return std::unexpected{malformed("it is cut short")};
  std::array<std::uint64_t, sources> counts{};
  for (auto& value : counts) {
    if (!classify::take(in, value)) return std::unexpected{malformed("it is cut short")};
  }
  if (!classify::take(in, count) || count > groups_max + 1) return std::unexpected{malformed("it is cut short")};
  Groups restored;
  for (; count > 0; --count) {
    std::string name;
    auto learner = std::make_shared<classify::Learner>(classifier_);
    if (!take_text(in, name) || !learner->read(in)) return std::unexpected{malformed("a group cannot be read")};
    restored.emplace(std::move(name), std::move(learner));
  }
  if (!in.empty()) return std::unexpected{malformed("something stands behind its end")};
  const std::unique_lock lock{mutex_};
  groups_ = std::move(restored);
  frozen_.store(frozen != 0, std::memory_order_relaxed);
  for (std::size_t i = 0; i < sources; ++i) outcomes_[i].store(counts[i], std::memory_order_relaxed);
  return {};
}

}  // namespace turnpike::gateway
