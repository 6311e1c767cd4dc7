// Which field names each message of the Gemini API knows. Unknown ones are refused as the proto
// parser does.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "exchange.hpp"

namespace turnpike::simulator {

struct UnknownField {
  std::string name;   // as the client wrote it
  std::string place;  // "tools[0].function_declarations[0].parameters"; empty: the top
};

/// The first unknown field of the request, if any. camelCase and snake_case are both known.
std::optional<UnknownField> find_unknown_field(const Json& request);

/// A keyword of a `parametersJsonSchema` that is outside the documented subset.
std::optional<std::string> find_unsupported_keyword(const Json& schema);

/// Renames the keys of the API's own messages from snake_case to camelCase; free-form values stay
/// as they are.
Json in_camel_case(const Json& request);

}  // namespace turnpike::simulator
