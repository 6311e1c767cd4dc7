// What every response object of a translated answer repeats from its request.
#pragma once

#include <string>

#include "wire/json_view.hpp"

namespace turnpike::dialect {

/// Members as JSON text without braces, on one line: the client's own values where it gave them,
/// else the API's defaults. Not the client's: `store` is false and `previous_response_id` null
/// because nothing is kept, `background` is false, and `tools` is empty: their schemas would come
/// with three events of every stream (Codex: 17 kB each), and no client reads them back.
std::string responses_echo(const wire::JsonFields& body);

}  // namespace turnpike::dialect
