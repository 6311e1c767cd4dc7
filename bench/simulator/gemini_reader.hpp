// Checks of a Gemini generateContent request, in the wording of the real service.
#pragma once

#include "wire.hpp"

namespace turnpike::simulator {

Refusal gemini_refusal(int status, const std::string& message, std::string_view name,
                       const Json& details = nullptr);
Checked<Ask> read_gemini(const Settings& settings, const HttpRequest& request);

/// A thoughtSignature for a call (bound to its name and arguments) or, with empty `call`, for a
/// text part.
std::string seal_thought(const std::string& call, std::size_t bytes, std::uint64_t seed);
std::string call_identity(const std::string& name, const Json& args);

}  // namespace turnpike::simulator
