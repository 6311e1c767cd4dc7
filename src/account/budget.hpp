// What may be spent by whom and over which span of time: the settings of a budget and its present
// state.
//
// A budget is named by its scope and path: "org:acme", "team:acme/search", "user:acme/alice",
// "key:<key id>". A request is charged to every budget on its account's path org -> team -> user ->
// key, or to none of them.
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

namespace turnpike::account {

/// The span one limit counts over. Calendar spans begin at local midnight (weeks on Monday) in the
/// rule's zone. rolling: the last `duration`, summed over 60 sub-buckets; a bucket leaves when it
/// is wholly outside.
enum class WindowKind : std::uint8_t { lifetime, hour, day, week, month, rolling };
std::string_view to_string(WindowKind kind);
std::optional<WindowKind> parse_window_kind(std::string_view name);

struct WindowRule {
  WindowKind kind = WindowKind::month;
  std::string zone = "UTC";          // IANA name; matters to calendar kinds only
  std::chrono::seconds duration{0};  // rolling only: a multiple of 60 s, at least 60 s
  Credits limit;
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
  std::string by;                               // who sets it; stored with the entry
};

struct WindowState {
  WindowRule rule;
  Credits settled;
  Credits reserved;
  Instant start{};
  std::optional<Instant> end;  // when it counts from zero again; absent for lifetime and rolling
  Pressure pressure = Pressure::none;
};

struct BudgetState {
  std::string budget;
  bool frozen = false;
  std::optional<std::int32_t> concurrency_max;
  std::int32_t open_attempts = 0;
  std::vector<WindowState> windows;
};

/// Soft limits in percent of a window's limit, compared with settled + reserved. A level is left
/// `release_points` lower.
struct PressureThresholds {
  std::int32_t notify = 80;
  std::int32_t prefer_cheap = 90;
  std::int32_t cheap_only = 97;
  std::int32_t release_points = 5;
};

}  // namespace turnpike::account
