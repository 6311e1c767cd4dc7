// Checks of a Messages request at servers that imitate Anthropic: DeepSeek's /anthropic and a local
// one. Both take more than Anthropic does and know less of it.
#pragma once

#include "wire.hpp"

namespace turnpike::simulator {

/// DeepSeek's refusals have its own shape; a local server's have Anthropic's, or with `plain`
/// {"detail":…}.
Refusal compatible_messages_refusal(Endpoint endpoint, int status, const std::string& message,
                                    bool plain = false);
Checked<Ask> read_compatible_messages(Endpoint endpoint, const Settings& settings,
                                      const HttpRequest& request);

}  // namespace turnpike::simulator
