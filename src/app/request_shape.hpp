// In which of the four dialects a request body is written, by its shape: for bodies that come without a path.
#pragma once

#include "turnpike/dialect.hpp"
#include "wire/json_document.hpp"

namespace turnpike::app {

/// `contents` is Gemini's, `input` Responses'. Of the two that have `messages`, Anthropic's is the one with a top-level
/// `system`, with tools that have an `input_schema`, or with blocks that only it knows; else it is Chat.
Dialect dialect_of_shape(const wire::JsonDocument& document);

}  // namespace turnpike::app
