// A JSON value that satisfies a JSON Schema, for tool arguments and for structured output.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "exchange.hpp"

namespace turnpike::simulator {

struct FillHints {
  std::string command;        // for properties that look like a shell command
  std::string topic;          // for free text
  std::uint64_t variant = 0;  // makes parallel calls differ
  bool optional_too = false;  // also fill what is not required
};

/// Reads the Gemini spelling (upper-case types) as well. Schemas it cannot understand give an empty
/// object.
Json fill_schema(const Json& schema, const FillHints& hints);

}  // namespace turnpike::simulator
