#include "gateway/conversation_lengths.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/state_line.hpp"

namespace turnpike::gateway {
namespace {

constexpr std::size_t exact = 16;  // bins of one step each; behind them each is a fifth longer than the one before
constexpr float conversations_needed = 20;
constexpr float memory = 50'000;  // steps; beyond, older ones fade

/// First step of each bin, and one past the last.
constexpr std::array<std::int32_t, ConversationLengths::bins + 1> bin_starts() {
  std::array<std::int32_t, ConversationLengths::bins + 1> starts{};
  std::int32_t step = 1;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    starts[i] = step;
    step += i < exact ? 1 : std::max(1, step / 5);
  }
  return starts;
}
constexpr auto starts = bin_starts();

std::size_t bin_of(std::int32_t steps) {
  const auto after = std::ranges::upper_bound(starts, std::max(1, steps));
  return std::min(static_cast<std::size_t>(after - starts.begin()) - 1, ConversationLengths::bins - 1);
}

}  // namespace

void ConversationLengths::learn(std::string_view policy, std::int32_t steps) {
  const std::lock_guard lock{mutex_};
  auto found = policies_.find(policy);
  if (found == policies_.end()) {
    if (policies_.size() >= policies_max) return;
    found = policies_.emplace(std::string{policy}, History{}).first;
  }
  History& history = found->second;
  history.reached[bin_of(steps)] += 1;
  history.total += 1;
  if (history.total < memory) return;
  for (float& count : history.reached) count /= 2;
  history.total /= 2;
}

float ConversationLengths::left(std::string_view policy, std::int32_t steps) const {
  const std::lock_guard lock{mutex_};
  const auto found = policies_.find(policy);
  if (found == policies_.end()) return 0;
  const auto& reached = found->second.reached;
  const std::size_t bin = bin_of(steps);
  const auto width = static_cast<float>(starts[bin + 1] - starts[bin]);
  const float conversations = reached[bin] / width;  // that came as far as a step of this bin, on average
  if (conversations < conversations_needed) return 0;
  float further = 0;
  for (std::size_t i = bin + 1; i < bins; ++i) further += reached[i];
  // Within a bin half of it is behind, half ahead.
  return further / conversations + (width - 1) / 2;
}

std::string ConversationLengths::serialise() const {
  std::string text;
  const std::lock_guard lock{mutex_};
  for (const auto& [policy, history] : policies_) {
    for (std::size_t i = 0; i < bins; ++i) {
      if (history.reached[i] > 0) text += fmt::format("length {} {} {}\n", i, history.reached[i], policy);
    }
  }
  return text;
}

bool ConversationLengths::restore_line(std::string_view line) {
  StateLine words{line};
  const auto bin = words.integer(0, bins - 1);
  const auto count = words.number(0, memory);
  const auto policy = words.rest();
  if (!words.good() || policy.empty()) return false;
  const std::lock_guard lock{mutex_};
  if (policies_.size() >= policies_max && !policies_.contains(policy)) return true;
  History& history = policies_[std::string{policy}];
  history.total += count - history.reached[static_cast<std::size_t>(bin)];
  history.reached[static_cast<std::size_t>(bin)] = count;
  return true;
}

}  // namespace turnpike::gateway
