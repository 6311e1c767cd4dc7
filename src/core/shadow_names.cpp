#include <array>
#include <utility>

#include "turnpike/shadow.hpp"

namespace turnpike {
namespace {

constexpr std::array<std::string_view, 2> kinds{"candidate", "self"};
constexpr std::array<std::string_view, static_cast<std::size_t>(ShadowSkip::count_)> skips{
    "live_failed", "served_by_it",   "stored_state", "provider_tools", "not_allowed", "capability", "context",
    "unpriced",    "untranslatable", "budget",       "queue_full",   "backing_off", "unhealthy"};
constexpr std::array<std::string_view, 4> verdicts{"shadow_better", "equal", "live_better", "unclear"};

template <typename Enum, std::size_t N>
std::optional<Enum> parse(const std::array<std::string_view, N>& names, std::string_view name) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == name) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(ShadowKind kind) { return kinds[static_cast<std::size_t>(kind)]; }
std::optional<ShadowKind> parse_shadow_kind(std::string_view name) { return parse<ShadowKind>(kinds, name); }

std::string_view to_string(ShadowSkip skip) {
  const auto index = static_cast<std::size_t>(skip);
  return index < skips.size() ? skips[index] : "unknown";
}

std::string_view to_string(JudgeVerdict verdict) { return verdicts[static_cast<std::size_t>(verdict)]; }
std::optional<JudgeVerdict> parse_judge_verdict(std::string_view name) { return parse<JudgeVerdict>(verdicts, name); }

}  // namespace turnpike
