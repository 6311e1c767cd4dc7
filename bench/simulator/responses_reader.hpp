// Checks of a Responses request: as DeepSeek's stateless endpoint makes them, or OpenAI's.
#pragma once

#include "response_store.hpp"
#include "wire.hpp"

namespace turnpike::simulator {

Checked<Ask> read_responses(Endpoint endpoint, const Settings& settings, const ResponseStore& store,
                            const HttpRequest& request);

/// OpenAI's encrypted_content: what only this program can have made.
std::string seal_reasoning(std::string_view text, std::uint64_t seed);
bool is_sealed_reasoning(std::string_view encrypted);

}  // namespace turnpike::simulator
