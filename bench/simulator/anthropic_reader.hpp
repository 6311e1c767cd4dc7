// Checks of an Anthropic Messages request, in the wording of the real service.
#pragma once

#include "claude_family.hpp"
#include "wire.hpp"

namespace turnpike::simulator {

Refusal anthropic_refusal(int status, const std::string& message,
                          std::string_view type = "invalid_request_error");
Checked<Ask> read_anthropic(const Settings& settings, const HttpRequest& request);

/// How an assistant turn's blocks enter the prompt: the same bytes when they are made and when they
/// come back.
std::string rendered_role(std::string_view role);
std::string rendered_text(std::string_view text);
std::string rendered_thinking(std::string_view signature);
std::string rendered_call(std::string_view id, std::string_view name, const Json& input);

/// The sealed content of a thinking signature.
struct ThinkingSeal {
  std::string family;
  std::uint64_t text_hash = 0;
  std::uint64_t prefix_hash = 0;
};
std::string seal_thinking(const ThinkingSeal& seal, std::size_t bytes, std::uint64_t seed);
std::optional<ThinkingSeal> unseal_thinking(std::string_view signature);

}  // namespace turnpike::simulator
