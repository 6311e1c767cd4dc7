#include "dialect/error_body.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "dialect/responses_failure.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {
namespace {

using wire::JsonWriter;

/// What each dialect calls an error of this status.
struct Words {
  int status;
  std::string_view openai;
  std::string_view anthropic;
  std::string_view gemini;
};

constexpr std::array<Words, 16> vocabulary = {{
    {400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"},
    {401, "authentication_error", "authentication_error", "UNAUTHENTICATED"},
    {402, "insufficient_quota", "billing_error", "FAILED_PRECONDITION"},
    {403, "permission_error", "permission_error", "PERMISSION_DENIED"},
    {404, "invalid_request_error", "not_found_error", "NOT_FOUND"},
    {405, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"},
    {408, "timeout_error", "timeout_error", "DEADLINE_EXCEEDED"},
    {409, "invalid_request_error", "invalid_request_error", "ABORTED"},
    {410, "invalid_request_error", "not_found_error",
     "NOT_FOUND"},  // a model that is no longer offered
    {413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT"},
    {429, "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED"},
    {500, "server_error", "api_error", "INTERNAL"},
    {501, "server_error", "api_error", "UNIMPLEMENTED"},
    {503, "server_error", "overloaded_error", "UNAVAILABLE"},
    {504, "server_error", "timeout_error", "DEADLINE_EXCEEDED"},
    {529, "server_error", "overloaded_error", "UNAVAILABLE"},
}};

const Words& words_for(int status) {
  const auto found = std::ranges::find(vocabulary, status, &Words::status);
  if (found != vocabulary.end()) return *found;
  return *std::ranges::find(vocabulary, status >= 400 && status < 500 ? 400 : 500, &Words::status);
}

/// A budget that is spent: Codex ends at once on this code under 429 and tries a 402 six times
/// (client notes, "Faults").
bool is_spent_budget(Dialect client, const Error& error) {
  return client == Dialect::openai_responses && error.http_status == 402;
}

/// 529 is a status that only Anthropic's clients know, and they know it for an overload.
int status_for(Dialect client, const Error& error) {
  if (is_spent_budget(client, error)) return 429;
  if (client != Dialect::anthropic_messages)
    return error.http_status == 529 ? 503 : error.http_status;
  return error.http_status == 503 && error.origin == Origin::upstream ? 529 : error.http_status;
}

void write_openai_error(JsonWriter& json, const Error& error) {
  json.begin_object()
      .member("message", std::string_view{error.message})
      .member("type", words_for(error.http_status).openai)
      .key("param");
  error.param.empty() ? json.null() : json.value(std::string_view{error.param});
  json.member("code", std::string_view{error.code}).end_object();
}

std::string openai_body(const Error& error) {
  std::string out;
  JsonWriter json{out};
  json.begin_object().key("error");
  write_openai_error(json, error);
  json.end_object();
  return out;
}

/// The largest numbers of the text, in falling order; thousands separators are skipped.
std::array<std::int64_t, 2> largest_numbers(std::string_view text) {
  std::array<std::int64_t, 2> found{};
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] < '0' || text[at] > '9') continue;
    std::int64_t number = 0;
    for (; at < text.size() && ((text[at] >= '0' && text[at] <= '9') || text[at] == ','); ++at) {
      if (text[at] != ',' && number < INT64_MAX / 100) number = number * 10 + (text[at] - '0');
    }
    if (number > found[0]) {
      found = {number, found[0]};
    } else if (number > found[1] && number != found[0]) {
      found[1] = number;
    }
  }
  return found;
}

/// Bodies of Messages and Gemini have no member for the field at fault: it stands before the
/// message.
std::string located_message(const Error& error) {
  if (error.param.empty() || error.message.find(error.param) != std::string::npos)
    return error.message;
  return error.param + ": " + error.message;
}

/// Claude Code compacts a conversation on these words only (client notes, "Faults").
std::string anthropic_message(const Error& error) {
  if (error.code != "context_length_exceeded" || error.message.starts_with("prompt is too long"))
    return located_message(error);
  const auto [asked, limit] = largest_numbers(error.message);
  constexpr std::int64_t least_window = 1024;
  if (limit < least_window) return "prompt is too long: " + error.message;
  return "prompt is too long: " + std::to_string(asked) + " tokens > " + std::to_string(limit) +
         " maximum. " + error.message;
}

std::string anthropic_body(const Error& error, std::string_view decision_id) {
  std::string out;
  JsonWriter json{out};
  json.begin_object().member("type", "error").key("error").begin_object();
  json.member("type", words_for(error.http_status).anthropic);
  json.member("message", std::string_view{anthropic_message(error)}).end_object();
  if (!decision_id.empty()) json.member("request_id", decision_id);
  json.end_object();
  return out;
}

// Gemini clients look for the delay in the body, not in a header.
std::string gemini_body(const Error& error) {
  const int status = status_for(Dialect::gemini_generate, error);
  std::string out;
  JsonWriter json{out};
  json.begin_object().key("error").begin_object().member("code", status).key("message");
  std::string message;
  wire::append_quoted(message, located_message(error), true);
  json.raw(message).member("status", words_for(status).gemini);
  json.key("details").begin_array().begin_object();
  json.member("@type", "type.googleapis.com/google.rpc.ErrorInfo");
  json.member("reason", std::string_view{error.code}).member("domain", "turnpike").end_object();
  if (error.retry_after_s) {
    json.begin_object().member("@type", "type.googleapis.com/google.rpc.RetryInfo");
    json.member("retryDelay", std::string_view{std::to_string(*error.retry_after_s) + "s"});
    json.end_object();
  }
  json.end_array().end_object().end_object();
  return out;
}

}  // namespace

std::string error_body(Dialect client, const Error& error, std::string_view decision_id) {
  switch (client) {
    case Dialect::anthropic_messages:
      return anthropic_body(error, decision_id);
    case Dialect::gemini_generate:
      return gemini_body(error);
    case Dialect::openai_chat:
    case Dialect::openai_responses:
      break;
  }
  if (is_spent_budget(client, error)) {
    Error quota = error;
    quota.code = "insufficient_quota";
    return openai_body(quota);
  }
  return openai_body(error);
}

WholeReply error_reply(Dialect client, const Error& error, std::string_view decision_id) {
  WholeReply reply;
  reply.head.status = status_for(client, error);
  if (error.retry_after_s) {
    reply.head.headers.emplace_back("retry-after", std::to_string(*error.retry_after_s));
  }
  if (error.should_retry) {
    reply.head.headers.emplace_back("x-should-retry", *error.should_retry ? "true" : "false");
  }
  reply.body =
      error.upstream_body.empty() ? error_body(client, error, decision_id) : error.upstream_body;
  return reply;
}

void append_error_event(std::string& out, Dialect client, const Error& error) {
  switch (client) {
    case Dialect::anthropic_messages:
      out += "event: error\n";
      break;
    case Dialect::openai_responses:
      append_responses_failure(out, error);
      return;
    case Dialect::openai_chat:
    case Dialect::gemini_generate:
      break;
  }
  out += "data: ";
  out += error_body(client, error);
  out += "\n\n";
}

}  // namespace turnpike::dialect
