// Patterns on names: '*' stands for any number of characters, everything else for itself.
#pragma once

#include <cstddef>
#include <string_view>

namespace turnpike::policy {

/// Linear in practice: backtracks to the last '*' only.
bool wildcard_match(std::string_view pattern, std::string_view text);

/// Number of characters that are not '*': the more, the more specific.
std::size_t literal_count(std::string_view pattern);

}  // namespace turnpike::policy
