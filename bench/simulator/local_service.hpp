// What a server of one's own (vLLM, Ollama) does alike in its dialects: no keys, its own error
// shapes.
#pragma once

#include "wire.hpp"

namespace turnpike::simulator {

/// {"error":{"message","type","param","code":400}}, or with `plain` {"detail":"…"}.
Refusal local_refusal(int status, const std::string& message, bool plain);
/// The text for a status that a directive asks for.
std::string local_failure_text(int status, const Directives& wishes);
/// The directive error_shape=detail, looked for in the raw bytes: a request that is refused has no
/// directives yet.
bool wants_plain_errors(const HttpRequest& request);

}  // namespace turnpike::simulator
