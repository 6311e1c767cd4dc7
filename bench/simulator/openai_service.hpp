// What OpenAI's two endpoints have in common: keys, error bodies, model names, strict schemas.
#pragma once

#include "wire.hpp"

namespace turnpike::simulator {

/// Empty `param` or `code`: null.
Refusal openai_refusal(int status, const std::string& message, std::string_view param = "",
                       std::string_view code = "");
/// The error for a status that a directive asks for.
Refusal openai_failure(int status, const Directives& wishes);
Checked<std::string> openai_key(const Settings& settings, const HttpRequest& request);
bool is_openai_model(std::string_view model);
/// Takes no sampling parameters, thinks, wants max_completion_tokens.
bool is_openai_reasoner(std::string_view model);
/// A member that is not in `known`.
std::optional<std::string> unknown_member(const Json& object,
                                          std::initializer_list<std::string_view> known);
/// What a schema lacks for `strict`: every object closed, every property required.
std::optional<std::string> strict_schema_fault(const Json& schema);
/// Names of functions: letters, digits, '_' and '-', 1 to 64 of them.
bool is_function_name(std::string_view name);
Headers openai_headers(const Exchange& exchange);

}  // namespace turnpike::simulator
