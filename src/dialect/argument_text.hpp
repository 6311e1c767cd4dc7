// JSON inside strings: a call's arguments and a tool's output are text that may or may not be JSON.
#pragma once

#include <string>
#include <string_view>

namespace turnpike::dialect {

/// True if a tool can be run with them: a JSON object, or nothing at all, which stands for one.
/// Leaves the parser alone: what it parsed last may still be looked at.
bool are_arguments(std::string_view text);

/// Arguments as the text of a JSON object: as they came if they are one, {} if there are none, else
/// {"_raw":"…"}.
std::string argument_object(std::string arguments);

/// A tool's output as the text of a JSON object: as it came if it is one, else under "output" or
/// "error".
std::string output_object(std::string output, bool is_error);

}  // namespace turnpike::dialect
