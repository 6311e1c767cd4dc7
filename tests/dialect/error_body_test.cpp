#include "dialect/error_body.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace turnpike::dialect {
namespace {

Error spent_budget() {
  Error error = gateway_error(402, "budget_exhausted", "budget of key 'ci' is spent");
  error.should_retry = false;
  error.retry_after_s = 30;
  return error;
}

std::string header(const WholeReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.head.headers) {
    if (key == name) return value;
  }
  return "(none)";
}

}  // namespace

TEST_CASE("an error is told in the words of each dialect", "[dialect][error]") {
  CHECK(
      error_body(Dialect::openai_chat, spent_budget()) ==
      R"({"error":{"message":"budget of key 'ci' is spent","type":"insufficient_quota","param":null,)"
      R"("code":"budget_exhausted"}})");
  CHECK(
      error_body(Dialect::openai_responses, spent_budget()) ==
      R"({"error":{"message":"budget of key 'ci' is spent","type":"insufficient_quota","param":null,)"
      R"("code":"insufficient_quota"}})");
  CHECK(
      error_body(Dialect::anthropic_messages, spent_budget(), "01D") ==
      R"({"type":"error","error":{"type":"billing_error","message":"budget of key 'ci' is spent"},)"
      R"("request_id":"01D"})");
  CHECK(
      error_body(Dialect::gemini_generate, spent_budget()) ==
      R"({"error":{"code":402,"message":"budget of key 'ci' is spent","status":"FAILED_PRECONDITION","details":[)"
      R"({"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"budget_exhausted","domain":"turnpike"},)"
      R"({"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"30s"}]}})");
}

TEST_CASE("every status has its word in every dialect", "[dialect][error]") {
  struct Expected {
    int status;
    std::string_view openai;
    std::string_view anthropic;
    std::string_view gemini;
  };
  const std::vector<Expected> table = {
      {400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"},
      {401, "authentication_error", "authentication_error", "UNAUTHENTICATED"},
      {403, "permission_error", "permission_error", "PERMISSION_DENIED"},
      {404, "invalid_request_error", "not_found_error", "NOT_FOUND"},
      {413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT"},
      {418, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"},
      {429, "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED"},
      {502, "server_error", "api_error", "INTERNAL"},
      {503, "server_error", "overloaded_error", "UNAVAILABLE"},
      {504, "server_error", "timeout_error", "DEADLINE_EXCEEDED"}};
  for (const auto& row : table) {
    const Error error = gateway_error(row.status, "c", "m");
    using nlohmann::json;
    CHECK(json::parse(error_body(Dialect::openai_chat, error))["error"]["type"] == row.openai);
    CHECK(json::parse(error_body(Dialect::anthropic_messages, error))["error"]["type"] ==
          row.anthropic);
    CHECK(json::parse(error_body(Dialect::gemini_generate, error))["error"]["status"] ==
          row.gemini);
  }
}

TEST_CASE("the reply carries the retry headers and only those that are set", "[dialect][error]") {
  const WholeReply reply = error_reply(Dialect::openai_chat, spent_budget());
  CHECK(reply.head.status == 402);
  CHECK(reply.head.content_type == "application/json");
  CHECK(header(reply, "retry-after") == "30");
  CHECK(header(reply, "x-should-retry") == "false");
  const WholeReply bare = error_reply(Dialect::openai_chat, gateway_error(500, "internal", "m"));
  CHECK(header(bare, "retry-after") == "(none)");
  CHECK(header(bare, "x-should-retry") == "(none)");
}

TEST_CASE("a spent budget ends a Responses client's run and is 402 to all others", "[dialect][error]") {
  CHECK(error_reply(Dialect::openai_responses, spent_budget()).head.status == 429);
  CHECK(error_reply(Dialect::anthropic_messages, spent_budget()).head.status == 402);
  CHECK(error_reply(Dialect::gemini_generate, spent_budget()).head.status == 402);
}

TEST_CASE("an upstream body goes out unmodified", "[dialect][error]") {
  Error error = upstream_error(400, Retry::never, "invalid_request_error", "other words");
  error.upstream_body = "{ \"error\" : 1 }";
  CHECK(error_reply(Dialect::openai_chat, error).body == "{ \"error\" : 1 }");
}

TEST_CASE("an overload is 529 to Anthropic's clients and 503 to all others", "[dialect][error]") {
  const Error error = upstream_error(503, Retry::never, "overloaded", "m");
  CHECK(error_reply(Dialect::anthropic_messages, error).head.status == 529);
  CHECK(error_reply(Dialect::openai_chat, error).head.status == 503);
  const Error own = gateway_error(503, "overloaded", "m");
  CHECK(error_reply(Dialect::anthropic_messages, own).head.status == 503);
}

TEST_CASE("the event that ends a stream is whole in every dialect", "[dialect][error]") {
  const Error error = upstream_error(502, Retry::never, "stream_truncated", "cut\u2028off");
  std::string chat;
  append_error_event(chat, Dialect::openai_chat, error);
  CHECK(chat ==
        "data: {\"error\":{\"message\":\"cut\u2028off\",\"type\":\"server_error\",\"param\":null,"
        "\"code\":\"stream_truncated\"}}\n\n");
  std::string claude;
  append_error_event(claude, Dialect::anthropic_messages, error);
  CHECK(claude.starts_with(
      "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\""));
  std::string gemini;
  append_error_event(gemini, Dialect::gemini_generate, error);
  CHECK(gemini.find("cut\\u2028off") != std::string::npos);
  std::string responses;
  append_error_event(responses, Dialect::openai_responses, error);
  CHECK(responses.find("event: error\n") == 0);
  CHECK(responses.find("\n\nevent: response.failed\ndata: {\"type\":\"response.failed\"") !=
        std::string::npos);
}

}  // namespace turnpike::dialect
