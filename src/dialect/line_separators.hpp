// U+2028 and U+2029 may stand raw in JSON; line-oriented readers of the Gemini dialect break there.
#pragma once

#include <string>

namespace turnpike::dialect {

/// In JSON text they can only be inside strings, so that an escape says the same.
void escape_line_separators(std::string& json);

}  // namespace turnpike::dialect
