// The answers of the endpoints that count a prompt's tokens. Source: wire-formats specification §1.4, §1.5.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "turnpike/dialect.hpp"
#include "turnpike/error.hpp"

namespace turnpike::dialect {

/// {"input_tokens":N} or {"totalTokens":N}.
std::string token_count_body(Dialect client, std::int64_t tokens);
/// The figure in a provider's answer; 502 bad_upstream if there is none.
Result<std::int64_t> read_token_count(Dialect provider, std::string_view body);

}  // namespace turnpike::dialect
