// Recorded traffic of the providers on its way to a client of the Responses dialect, through the
// strict checker.
#include <catch2/catch.hpp>

#include "dialect/response_translator.hpp"
#include "recorded_answers.hpp"
#include "responses_stream_checker.hpp"
#include "stream_support.hpp"

namespace turnpike::dialect::test {
namespace {

StreamOptions responses_options() {
  StreamOptions options = chat_options();
  options.client = Dialect::openai_responses;
  options.id = "resp_test";
  return options;
}

/// A recorded answer of another dialect than Responses, which would be passed through.
bool is_translated(const Json& answer) {
  return !answer.contains("skip") && answer.at("dialect") != "openai-responses";
}

void compare_calls(const Reading& expected, const Reading& got) {
  REQUIRE(got.calls.size() == expected.calls.size());
  for (std::size_t i = 0; i < got.calls.size(); ++i) {
    CHECK(got.calls[i].name == expected.calls[i].name);
    if (!expected.calls[i].id.empty()) CHECK(got.calls[i].id == expected.calls[i].id);
    const Json arguments = Json::parse(expected.calls[i].arguments, nullptr, false);
    const Json told = Json::parse(got.calls[i].arguments, nullptr, false);
    CHECK(told.is_object());
    if (arguments.is_object()) CHECK(told == arguments);  // the naive reader knows no arguments in pieces
  }
}

void compare(const Reading& expected, const Reading& got) {
  CHECK(got.text == expected.text);
  CHECK(got.reasoning == expected.reasoning);
  CHECK(got.refusal == expected.refusal);
  CHECK(got.finish == expected.finish);
  compare_calls(expected, got);
  if (expected.input < 0) return;
  CHECK(got.input == expected.input);
  CHECK(got.cached == expected.cached);
  // Some count reasoning outside of the output, or do not name it.
  CHECK(got.output >= expected.output);
  CHECK(got.reasoning_tokens >= expected.reasoning_tokens);
}

void replay_stream(const Candidate& candidate, const std::string& body) {
  const StreamOptions options = responses_options();
  const Reading expected = read_provider_stream(candidate.dialect, body);
  const StreamRun run = run_whole(candidate, options, body);
  const ResponsesStreamChecker checker{run.out};
  CHECK(checker.problems() == std::vector<std::string>{});
  CHECK(run_bytes(candidate, options, body).out == run.out);
  const std::size_t step = body.size() / 50 + 1;
  for (std::size_t cut = 0; cut <= body.size(); cut += step) {
    const std::string_view text{body};
    CHECK(run_pieces(candidate, options, {text.substr(0, cut), text.substr(cut)}).out == run.out);
  }
  if (expected.error) {
    CHECK(run.failure.has_value());
    CHECK(checker.terminal() == (run.started ? "response.failed" : ""));
    return;
  }
  CHECK(run.complete);
  compare(expected, read_checked(checker));
}

/// However much of the stream has come: the client never sees an end that is none.
void truncate_stream(const Candidate& candidate, const std::string& body) {
  const std::size_t step = body.size() / 25 + 1;
  for (std::size_t length = 0; length < body.size(); length += step) {
    INFO("truncated to " << length << " bytes");
    const StreamRun run =
        run_whole(candidate, responses_options(), std::string_view{body}.substr(0, length));
    const ResponsesStreamChecker checker{run.out};
    CHECK(checker.problems() == std::vector<std::string>{});
    if (run.complete) continue;  // the rest is trailing usage or nothing
    CHECK(run.failure.has_value());
    CHECK(checker.terminal() == (run.started ? "response.failed" : ""));
  }
}

void replay_whole(const Candidate& candidate, const std::string& body) {
  const auto translated = translate_response(candidate, responses_options(), body);
  REQUIRE(translated.has_value());
  const Json response = Json::parse(translated->body);
  CHECK(response.at("object") == "response");
  compare(read_provider_body(candidate.dialect, body), read_responses_body(response));
}

}  // namespace

TEST_CASE("recorded streams reach Responses clients in the dialect's order and with nothing lost",
          "[dialect][responses][replay]") {
  for (const Json& answer : recorded_answers()) {
    if (!is_translated(answer) || answer.at("form") != "stream") continue;
    INFO(answer.at("case") << " " << answer.at("part"));
    const Candidate candidate =
        candidate_for(*parse_dialect(answer.at("dialect").get<std::string>()));
    const std::string body = answer.at("body").get<std::string>();
    replay_stream(candidate, body);
    truncate_stream(candidate, body);
  }
}

TEST_CASE("recorded whole answers reach Responses clients with nothing lost",
          "[dialect][responses][replay]") {
  for (const Json& answer : recorded_answers()) {
    if (!is_translated(answer) || answer.at("form") != "whole") continue;
    INFO(answer.at("case") << " " << answer.at("part"));
    replay_whole(candidate_for(*parse_dialect(answer.at("dialect").get<std::string>())),
                 answer.at("body").get<std::string>());
  }
}

}  // namespace turnpike::dialect::test
