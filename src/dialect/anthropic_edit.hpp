// Small changes to raw JSON objects: what is not named stays the bytes it was.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "wire/json_view.hpp"

namespace turnpike::dialect {

/// A member that gets another value (JSON text), or is taken out.
struct MemberEdit {
  std::string_view key;
  std::optional<std::string> value;
};

/// The object with its edits; members that it lacks come last, in the order of the edits. Anything
/// but an object counts as {}.
std::string edited_object(wire::JsonView object, std::span<const MemberEdit> edits);

/// As a JSON string, with its quotes.
std::string quoted_json(std::string_view text);

}  // namespace turnpike::dialect
