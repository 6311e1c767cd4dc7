#include "deepseek_service.hpp"

#include "text.hpp"

namespace turnpike::simulator {
namespace {

std::string masked(std::string_view key) {
  return "****" + std::string{key.substr(key.size() > 4 ? key.size() - 4 : 0)};
}

}  // namespace

Refusal deepseek_refusal(int status, const std::string& message, std::string_view type,
                         std::string_view code) {
  std::string body = R"({"error":{"message":)" + json_string(message) + R"(,"type":)" +
                     json_string(type) + R"(,"param":null,"code":)" + json_string(code) + "}}";
  return {status,
          std::move(body),
          {{"Content-Type", status == 401 ? "application/json" : "application/octet-stream"}}};
}

Refusal deepseek_failure(int status, const Directives& wishes) {
  std::string message = "Internal server error";
  std::string_view type = "server_error";
  if (status == 429) message = "Rate limit reached for requests", type = "rate_limit_error";
  if (status == 402) message = "Insufficient Balance", type = "unknown_error";
  if (status == 503)
    message =
        "Service is too busy. We advise users to temporarily switch to alternative LLM API "
        "service providers.",
    type = "service_unavailable_error";
  if (status == 401) message = "Authentication Fails (governor)", type = "authentication_error";
  if (status == 400 || status == 422) message = "Invalid request", type = "invalid_request_error";
  auto refusal =
      deepseek_refusal(status, wishes.text("message", message), wishes.text("type", type));
  if (wishes.has("retry_after"))
    refusal.headers.emplace_back("Retry-After", wishes.text("retry_after"));
  return refusal;
}

Checked<std::string> deepseek_key(const Settings& settings, const HttpRequest& request) {
  auto key = bearer(request);
  if (key.empty()) key = request.header("x-api-key");
  if (key.empty()) {
    return std::unexpected{
        deepseek_refusal(401, "Authentication Fails (auth header format should be Bearer sk-...)",
                         "authentication_error")};
  }
  if (!key_accepted(settings, key)) {
    return std::unexpected{
        deepseek_refusal(401, "Authentication Fails, Your api key: " + masked(key) + " is invalid",
                         "authentication_error")};
  }
  return std::string{key};
}

std::optional<std::string> deepseek_effort(std::string_view asked) {
  if (asked == "minimal" || asked == "low") return "low";
  if (asked == "medium" || asked == "high" || asked == "xhigh") return "high";
  if (asked == "max" || asked == "ultra") return std::string{asked};
  return std::nullopt;
}

Checked<void> deepseek_check_size(const Ask& ask) {
  const auto tokens = ask.prompt.tokens();
  if (tokens + ask.output_tokens_max <= deepseek_context_tokens) return {};
  return std::unexpected{deepseek_refusal(
      400, "This model's maximum context length is " + std::to_string(deepseek_context_tokens) +
               " tokens. However, you requested " + std::to_string(tokens + ask.output_tokens_max) +
               " tokens (" + std::to_string(tokens) + " in the messages, " +
               std::to_string(ask.output_tokens_max) +
               " in the completion). Please reduce the length of the messages or completion.")};
}

bool deepseek_sees(std::string_view model) { return model.find("flash") != std::string_view::npos; }

Habits deepseek_habits() { return {.blank_lines = true}; }

}  // namespace turnpike::simulator
