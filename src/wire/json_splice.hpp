// Replaces single values inside original bytes: what nobody here has heard of arrives unharmed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace turnpike::wire {

/// Bytes [begin, end) become `text`. begin == end inserts.
struct Splice {
  std::size_t begin;
  std::size_t end;
  std::string text;
};

/// Applies splices (in any order, not overlapping) in one pass; reserves json_slack behind the result.
std::string apply(std::string_view original, std::vector<Splice> splices);

}  // namespace turnpike::wire
