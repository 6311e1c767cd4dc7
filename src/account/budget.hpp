// What may be spent by whom and over which span of time: the settings of a budget and its present
// state.
//
//   name   := scope | filter | scope " " filter
//   scope  := "all" | "org:" o | "team:" o "/" t | "user:" o "/" u | "key:" id
//   filter := "provider:" p | "model:" p "/" m | "tier:" t
//
// A request is charged to every budget on its account's path all -> org -> team -> user -> key, and
// to those with a filter that fits its target, or to none of them. A filter alone means scope all.
// Conversations that a cap applies to have budgets of their own, "conversation:" key id "/"
// conversation, which the ledger makes and lifts itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "turnpike/account.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"
#include "turnpike/error.hpp"

namespace turnpike::account {

/// The span one limit counts over. Calendar spans begin at local midnight (weeks on Monday) in the
/// rule's zone. rolling: the last `duration`, summed over 60 sub-buckets; a bucket leaves when it
/// is wholly outside.
enum class WindowKind : std::uint8_t { lifetime, hour, day, week, month, rolling };
std::string_view to_string(WindowKind kind);
std::optional<WindowKind> parse_window_kind(std::string_view name);

/// Soft limits in percent of a window's limit, compared with settled + reserved. A level is left
/// `release_points` lower.
struct PressureThresholds {
  static constexpr std::int32_t off = 0;  // the level is never entered
  std::int32_t notify = 80;
  std::int32_t prefer_cheap = 90;
  std::int32_t cheap_only = 97;
  std::int32_t release_points = 5;
  bool operator==(const PressureThresholds&) const = default;
};

struct WindowRule {
  WindowKind kind = WindowKind::month;
  std::string zone = "UTC";          // IANA name; matters to calendar kinds only
  std::chrono::seconds duration{0};  // rolling only: a multiple of 60 s, at least 60 s
  Credits limit;
  std::optional<PressureThresholds> thresholds;  // absent: the ledger's usual ones
  /// Spending is spread over the window: above limit x (elapsed/length + 0.1) cheap models are
  /// preferred. Calendar kinds only.
  bool paced = false;
  bool operator==(const WindowRule&) const = default;
};

/// Replaces the whole budget of that name. No windows, not frozen, no concurrency bound: the budget
/// is lifted. A window whose kind, zone and duration stay keeps what was counted; a new one counts
/// from now on.
struct BudgetSettings {
  std::string budget;  // "org:acme"
  std::vector<WindowRule> windows;
  bool frozen = false;                          // kill switch: nothing is admitted
  std::optional<std::int32_t> concurrency_max;  // open attempts below this budget
  std::optional<Credits> request_cost_max;      // one attempt may reserve at most
  std::optional<Credits> conversation_max;  // each conversation below may cost at most; no filter
  std::string by;                           // who sets it; stored with the entry
  std::string why;                          // likewise; may be empty

  /// True if both bind alike, whoever set them.
  [[nodiscard]] bool same_limits(const BudgetSettings& other) const {
    return windows == other.windows && frozen == other.frozen &&
           concurrency_max == other.concurrency_max && request_cost_max == other.request_cost_max &&
           conversation_max == other.conversation_max;
  }
  [[nodiscard]] bool lifted() const {
    return windows.empty() && !frozen && !concurrency_max && !request_cost_max && !conversation_max;
  }
};

/// True if the name has a filter: then which requests it applies to depends on their target.
bool has_filter(std::string_view budget);
/// Error `bad_budget` if the name is not one of the grammar above, a window is wrong, or two cover
/// the same span.
Result<void> check_settings(const BudgetSettings& settings);

struct WindowState {
  WindowRule rule;
  Credits settled;
  Credits reserved;
  Instant start{};
  std::optional<Instant> end;  // when it counts from zero again; absent for lifetime and rolling
  Pressure pressure = Pressure::none;
  Credits elsewhere;  // settled by other replicas, as last heard
};

struct BudgetState {
  std::string budget;
  bool frozen = false;
  std::optional<std::int32_t> concurrency_max;
  std::optional<Credits> request_cost_max;
  std::optional<Credits> conversation_max;
  std::string by;  // who set it last
  std::string why;
  std::int32_t open_attempts = 0;
  std::vector<WindowState> windows;
};

}  // namespace turnpike::account
