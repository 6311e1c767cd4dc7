// What DeepSeek's three endpoints have in common: keys, error bodies (octet-stream, one shape in
// every dialect), effort names, limits.
#pragma once

#include "wire.hpp"

namespace turnpike::simulator {

constexpr std::int64_t deepseek_output_tokens_max = 393'216;
constexpr std::int64_t deepseek_context_tokens = 1'048'565;

Refusal deepseek_refusal(int status, const std::string& message,
                         std::string_view type = "invalid_request_error",
                         std::string_view code = "invalid_request_error");
/// The error for a status that a directive asks for.
Refusal deepseek_failure(int status, const Directives& wishes);
/// The key of the request, `Authorization` before `x-api-key`.
Checked<std::string> deepseek_key(const Settings& settings, const HttpRequest& request);
/// low, high or max for an effort asked for; nothing for unknown words.
std::optional<std::string> deepseek_effort(std::string_view asked);
/// Refuses prompts that leave no room for the output.
Checked<void> deepseek_check_size(const Ask& ask);
bool deepseek_sees(std::string_view model);
Habits deepseek_habits();

}  // namespace turnpike::simulator
