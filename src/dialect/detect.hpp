// Which endpoint a path names and in which dialect its caller expects answers and errors: by the
// path alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "turnpike/dialect.hpp"

namespace turnpike::dialect {

enum class Endpoint : std::uint8_t {
  chat_completions,
  models,
  model,  // argument: the model's id
  root,
  health,
  ready,
  messages,
  count_tokens,
  responses,  // and everything below it
  gemini_models,
  gemini_model,     // argument: the model's id
  gemini_generate,  // argument: the model's id
  gemini_stream,    // likewise
  gemini_count,     // likewise
  unknown,
};

struct Route {
  Endpoint endpoint = Endpoint::unknown;
  Dialect dialect = Dialect::openai_chat;
  std::string argument;                       // percent-decoded; model ids may hold '/'
  std::span<const std::string_view> methods;  // for 405 and Allow; empty for unknown
};

/// `path` without query. The same paths are known with and without "/v1"; a trailing '/' is
/// ignored.
Route route_of(std::string_view path);
[[nodiscard]] bool allows(const Route& route, std::string_view method);
/// "GET, HEAD": the value of Allow.
std::string allow_header(const Route& route);

}  // namespace turnpike::dialect
