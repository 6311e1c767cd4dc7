// Checks of a chat request at OpenAI, who knows every field, and at a local server, which ignores
// what it does not know.
#pragma once

#include "wire.hpp"

namespace turnpike::simulator {

Checked<Ask> read_compatible_chat(Endpoint endpoint, const Settings& settings,
                                  const HttpRequest& request);

}  // namespace turnpike::simulator
