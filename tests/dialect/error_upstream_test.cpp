#include "dialect/error_body.hpp"
#include "dialect/upstream_error.hpp"

#include <catch2/catch.hpp>

#include "dialect/retry_after.hpp"
#include "stream_support.hpp"

namespace turnpike::dialect::test {
namespace {

Error read(Dialect provider, int status, std::string_view body, const HeaderList& headers = {}) {
  return read_upstream_error(candidate_for(provider), Dialect::openai_chat, status, headers, body);
}

}  // namespace

TEST_CASE("every class of refusal has its status, retry and code", "[dialect][error]") {
  struct Expected {
    Dialect provider;
    int status;
    std::string body;
    int shown;
    Retry retry;
    std::string code;
  };
  const auto chat = Dialect::openai_chat;
  const auto claude = Dialect::anthropic_messages;
  const auto gemini = Dialect::gemini_generate;
  const std::vector<Expected> table = {
      {chat, 400,
       R"({"error":{"message":"bad field","type":"invalid_request_error","param":"tools","code":null}})",
       400, Retry::never, "invalid_request_error"},
      {chat, 422, R"({"error":{"message":"bad field"}})", 422, Retry::never,
       "invalid_request_error"},
      {chat, 400,
       R"({"error":{"message":"This model's maximum context length is 1 tokens. However, you requested 2","code":"invalid_request_error"}})",
       400, Retry::next_candidate, "context_length_exceeded"},
      {claude, 400,
       R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 3 tokens > 2 maximum"}})",
       400, Retry::next_candidate, "context_length_exceeded"},
      {gemini, 400,
       R"({"error":{"code":400,"message":"The input token count (5) exceeds the maximum number of tokens allowed (4).","status":"INVALID_ARGUMENT"}})",
       400, Retry::next_candidate, "context_length_exceeded"},
      {gemini, 400,
       R"({"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}})",
       502, Retry::next_candidate, "upstream_auth"},
      {claude, 401,
       R"({"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}})",
       502, Retry::next_candidate, "upstream_auth"},
      {claude, 403, R"({"type":"error","error":{"type":"permission_error","message":"no"}})", 502,
       Retry::next_candidate, "upstream_auth"},
      {claude, 400,
       R"({"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}})",
       502, Retry::next_candidate, "upstream_quota"},
      {chat, 402, R"({"error":{"message":"Insufficient Balance"}})", 502, Retry::next_candidate,
       "upstream_quota"},
      {chat, 429,
       R"({"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}})",
       502, Retry::next_candidate, "upstream_quota"},
      {chat, 404, R"({"error":{"message":"no such model","code":"model_not_found"}})", 404,
       Retry::never, "model_not_found"},
      {chat, 409, R"({"message":"conflict"})", 409, Retry::never, "conflict"},
      {claude, 413, R"({"type":"error","error":{"type":"request_too_large","message":"big"}})", 413,
       Retry::never, "request_too_large"},
      {gemini, 429, R"({"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}})",
       429, Retry::next_candidate, "rate_limit_exceeded"},
      {chat, 408, "", 504, Retry::same_then_next, "upstream_timeout"},
      {chat, 425, "", 502, Retry::same_then_next, "upstream_error"},
      {chat, 500, R"({"error":{"message":"oops"}})", 502, Retry::same_then_next, "upstream_error"},
      {chat, 502, "<html>Bad gateway</html>", 502, Retry::same_then_next, "upstream_error"},
      {gemini, 503, R"({"error":{"status":"UNAVAILABLE","message":"busy"}})", 503,
       Retry::same_then_next, "overloaded"},
      {claude, 529,
       R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})", 503,
       Retry::same_then_next, "overloaded"},
      {gemini, 504, R"({"error":{"status":"DEADLINE_EXCEEDED"}})", 504, Retry::same_then_next,
       "upstream_timeout"},
      {chat, 302, "", 502, Retry::next_candidate, "bad_upstream"},
      {chat, 999, "", 502, Retry::next_candidate, "bad_upstream"},
      {chat, 405, "", 502, Retry::next_candidate, "bad_upstream"}};
  for (const auto& row : table) {
    INFO(row.status << " " << row.body);
    const Error error = read(row.provider, row.status, row.body);
    CHECK(error.origin == Origin::upstream);
    CHECK(error.http_status == row.shown);
    CHECK(error.retry == row.retry);
    CHECK(error.code == row.code);
    CHECK_FALSE(error.message.empty());
  }
}

TEST_CASE("the message is found in every shape met", "[dialect][error]") {
  const std::vector<std::string> shapes = {
      R"({"error":{"message":"the words","code":7,"metadata":{}}})",
      R"({"error":"the words","code":"x"})",
      R"({"message":"the words"})",
      R"({"detail":"the words"})",
      R"([{"error":{"code":400,"message":"the words","status":"INVALID_ARGUMENT"}}])",
      R"({"type":"error","error":{"type":"invalid_request_error","message":"the words"}})",
      R"({"error":{"message":"Provider returned error","metadata":{"raw":"the words"}}})",
      "\n\n  {\"error\":{\"message\":\"the words\"}}"};
  for (const std::string& shape : shapes) {
    INFO(shape);
    CHECK(read(Dialect::openai_chat, 400, shape).message == "the words");
  }
  CHECK(read(Dialect::openai_chat, 400, "not JSON").message ==
        "deepseek/deepseek-flash answered with status 400 and no message.");
}

TEST_CASE("words about the gateway's key never reach a client", "[dialect][error]") {
  const Error error = read(Dialect::openai_chat, 401,
                           R"({"error":{"message":"Incorrect API key provided: sk-secret-1234"}})");
  CHECK(error.message.find("sk-") == std::string::npos);
  CHECK(error.upstream_body.empty());
}

TEST_CASE("a long message is cut between characters and loses its control bytes",
          "[dialect][error]") {
  std::string words(1999, 'a');
  words += "\u00e9\u00e9";
  const Error error =
      read(Dialect::openai_chat, 400, R"({"error":{"message":"\u0001)" + words + "\"}}");
  CHECK(error.message == " " + std::string(1999, 'a'));
}

TEST_CASE("the provider's body is kept only for a client of its own dialect", "[dialect][error]") {
  const std::string body = R"({"error":{"message":"bad","param":"x"}})";
  CHECK(read(Dialect::openai_chat, 400, body).upstream_body == body);
  CHECK(read(Dialect::openai_chat, 400, body).param == "x");
  CHECK(read(Dialect::anthropic_messages, 400, body).upstream_body.empty());
  CHECK(read(Dialect::openai_chat, 500, body).upstream_body.empty());
  CHECK(read(Dialect::openai_chat, 400, "<html>").upstream_body.empty());
}

TEST_CASE("a body of another form than the client's dialect is not passed on", "[dialect][error]") {
  const auto passed = [](Dialect dialect, std::string_view body) {
    Candidate candidate;
    candidate.provider = "deepseek";
    candidate.dialect = dialect;
    return !read_upstream_error(candidate, dialect, 400, {}, body).upstream_body.empty();
  };
  const std::string openai =
      R"({"error":{"message":"m","type":"invalid_request_error","code":"c"}})";
  const std::string anthropic =
      R"({"type":"error","error":{"type":"invalid_request_error","message":"m"}})";
  const std::string gemini = R"({"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}})";
  CHECK(passed(Dialect::openai_chat, openai));
  CHECK(passed(Dialect::openai_responses, openai));
  CHECK(passed(Dialect::anthropic_messages, anthropic));
  CHECK(passed(Dialect::gemini_generate, gemini));
  CHECK_FALSE(passed(Dialect::anthropic_messages, openai));
  CHECK_FALSE(passed(Dialect::gemini_generate, openai));
  CHECK_FALSE(passed(Dialect::gemini_generate, "[" + gemini + "]"));
  CHECK_FALSE(passed(Dialect::openai_chat, R"({"detail":"m"})"));
}

TEST_CASE(
    "a Messages server's own words for a full window reach a client that compacts on Anthropic's",
    "[dialect][error]") {
  Candidate candidate;
  candidate.provider = "deepseek";
  candidate.dialect = Dialect::anthropic_messages;
  const Error error = read_upstream_error(
      candidate, Dialect::anthropic_messages, 400, {},
      R"({"error":{"message":"This model's maximum context length is 1048565 tokens. However, you requested 1200000 tokens.","type":"invalid_request_error"}})");
  CHECK(error_body(Dialect::anthropic_messages, error)
            .find("prompt is too long: 1200000 tokens > 1048565 maximum") != std::string::npos);
}

TEST_CASE("the delay is taken from wherever it stands, within bounds", "[dialect][error]") {
  const std::string body =
      R"({"error":{"code":429,"message":"q","details":[{"retryDelay":"34.4s"}]}})";
  CHECK(read(Dialect::gemini_generate, 429, body).retry_after_s == 35);
  CHECK(read(Dialect::gemini_generate, 429, body, {{"retry-after", "7"}}).retry_after_s == 7);
  CHECK(read(Dialect::gemini_generate, 429, body, {{"retry-after", "0"}}).retry_after_s == 35);
  CHECK(read(Dialect::gemini_generate, 429, body, {{"retry-after", "-1"}}).retry_after_s == 35);
  CHECK(read(Dialect::openai_chat, 429, "").retry_after_s == 5);
  CHECK(read(Dialect::openai_chat, 503, "", {{"retry-after", "9"}}).retry_after_s == 9);
  CHECK_FALSE(read(Dialect::openai_chat, 503, "").retry_after_s.has_value());
  const std::string daily =
      R"({"error":{"code":429,"details":[{"violations":[{"quotaId":"RequestsPerDayPerProject"}]},{"retryDelay":"3s"}]}})";
  CHECK(read(Dialect::gemini_generate, 429, daily).retry_after_s == 3600);
}

TEST_CASE("retry headers are read in all spellings", "[dialect][error]") {
  const auto seconds = [](const HeaderList& headers) {
    const auto delay = retry_delay(headers);
    return delay ? delay->seconds : -1;
  };
  CHECK(seconds({}) == -1);
  CHECK(seconds({{"retry-after-ms", "1500"}, {"retry-after", "60"}}) == 2);
  CHECK(seconds({{"retry-after-ms", "-5"}, {"retry-after", "60"}}) == 60);
  CHECK(seconds({{"retry-after-ms", "0"}, {"retry-after", "60"}}) == 60);
  CHECK(seconds({{"retry-after-ms", "soon"}, {"retry-after", "60"}}) == 60);
  CHECK(seconds({{"retry-after-ms", "1500"}, {"retry-after", "0"}}) == 2);
  CHECK(seconds({{"retry-after", "0"}, {"retry-after", "60"}}) == 60);
  CHECK(seconds({{"retry-after-ms", "0"}, {"retry-after", "soon"}}) == 0);
  CHECK(seconds({{"retry-after", "0"}}) == 0);
  CHECK(seconds({{"retry-after", "86400"}}) == 3600);
  CHECK(seconds({{"retry-after", "-5"}}) == -1);
  CHECK(seconds({{"retry-after", "soon"}}) == -1);
  CHECK(seconds({{"retry-after", "nan"}}) == -1);
  CHECK(seconds({{"retry-after", "Wed, 21 Oct 2026 07:28:30 GMT"},
                 {"date", "Wed, 21 Oct 2026 07:28:00 GMT"}}) == 30);
  CHECK(seconds({{"retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"},
                 {"date", "Wed, 21 Oct 2026 07:29:00 GMT"}}) == 0);
  CHECK(seconds({{"retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"}}) == -1);
}

TEST_CASE("errors inside streams are classed by their words", "[dialect][error]") {
  const Candidate candidate = candidate_for(Dialect::anthropic_messages);
  const auto code = [&](std::string_view type, std::string_view number, std::string_view message) {
    return classify_stream_error(candidate, type, number, message).code;
  };
  CHECK(code("overloaded_error", "", "Overloaded") == "overloaded");
  CHECK(code("rate_limit_error", "", "slow") == "rate_limit_exceeded");
  CHECK(code("", "429", "Provider returned error") == "rate_limit_exceeded");
  CHECK(code("UNAVAILABLE", "503", "") == "overloaded");
  CHECK(code("timeout_error", "", "") == "upstream_timeout");
  CHECK(code("api_error", "", "oops") == "upstream_error");
  CHECK(code("invalid_request_error", "", "bad") == "invalid_request_error");
  CHECK(code("invalid_request_error", "", "prompt is too long: 2 tokens > 1 maximum") ==
        "context_length_exceeded");
  CHECK(code("authentication_error", "", "") == "upstream_auth");
}

}  // namespace turnpike::dialect::test
