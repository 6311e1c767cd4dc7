// The tables and functions of the central ledger, as SQL.
#pragma once

#include <array>
#include <string_view>

namespace turnpike::account {

/// central_steps[n] brings schema version n to n + 1. A step that has been released is never
/// changed.
inline constexpr int central_version = 1;
extern const std::array<std::string_view, central_version> central_steps;

}  // namespace turnpike::account
