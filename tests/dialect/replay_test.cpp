// Recorded traffic of the providers, replayed with every cut, against a second reading of the same
// bytes.
//
// TURNPIKE_REPLAY_TABLE=<file> writes the table of cases: docs/replay-cases.md is made with
// it.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

#include "answer_reading.hpp"
#include "dialect/response_translator.hpp"
#include "dialect/upstream_error.hpp"
#include "recorded_answers.hpp"
#include "responses_stream_checker.hpp"
#include "stream_support.hpp"

namespace turnpike::dialect::test {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr std::size_t stride = 23;  // the sanitizer makes each run twenty times slower
#endif
#if !__has_feature(address_sanitizer)
constexpr std::size_t stride = 1;
#endif
#else
constexpr std::size_t stride = 1;
#endif

struct Row {
  std::string name;
  std::string part;
  std::string result;
};

Json parsed(const std::string& text) { return Json::parse(text, nullptr, false); }

void compare_calls(const Reading& expected, const Reading& got) {
  REQUIRE(got.calls.size() == expected.calls.size());
  for (std::size_t i = 0; i < got.calls.size(); ++i) {
    CHECK(got.calls[i].name == expected.calls[i].name);
    if (!expected.calls[i].id.empty()) CHECK(got.calls[i].id == expected.calls[i].id);
    CHECK_FALSE(got.calls[i].id.empty());
    const Json arguments = parsed(expected.calls[i].arguments);
    if (arguments.is_discarded() && !expected.calls[i].arguments.empty()) {
      CHECK(got.calls[i].arguments == expected.calls[i].arguments);  // a tool that takes text
    } else if (!arguments.is_null() && !arguments.is_discarded()) {
      CHECK(parsed(got.calls[i].arguments) == arguments);
    }
  }
}

void compare(const Reading& expected, const Reading& got) {
  CHECK(got.text == expected.text);
  CHECK(got.reasoning == expected.reasoning);
  CHECK(got.refusal == expected.refusal);
  CHECK(got.finish == expected.finish);
  compare_calls(expected, got);
  CHECK(got.input == expected.input);
  CHECK(got.cached == expected.cached);
  CHECK(got.output == expected.output);
  CHECK(got.reasoning_tokens == expected.reasoning_tokens);
}

/// The ledger's figures against the provider's own.
void compare_usage(const Reading& expected, const Tally& tally) {
  CHECK(tally.usage_reported == (expected.input >= 0));
  if (expected.input < 0) return;
  CHECK(tally.usage.input() == expected.input);
  CHECK(tally.usage.input_cache_read == expected.cached);
  CHECK(tally.usage.output() >= expected.output);  // some count reasoning outside of it
  CHECK(tally.usage_plausible);
}

void check_cuts(const Candidate& candidate, const std::string& stream, const StreamRun& uncut) {
  for (std::size_t cut = 0; cut <= stream.size(); cut += stride) {
    const std::string_view text{stream};
    const StreamRun run =
        run_pieces(candidate, chat_options(), {text.substr(0, cut), text.substr(cut)});
    if (run.out != uncut.out || run.complete != uncut.complete ||
        run.tally.usage != uncut.tally.usage) {
      FAIL("a cut at byte " << cut << " changes the output");
    }
  }
  const StreamRun bytewise = run_bytes(candidate, chat_options(), stream);
  CHECK(bytewise.out == uncut.out);
  CHECK(bytewise.complete == uncut.complete);
}

Reading read_recorded_stream(Dialect dialect, const std::string& stream) {
  return dialect == Dialect::openai_responses ? read_responses_stream(stream)
                                              : read_provider_stream(dialect, stream);
}

Reading read_recorded_body(Dialect dialect, const std::string& body) {
  return dialect == Dialect::openai_responses ? read_responses_body(Json::parse(body))
                                              : read_provider_body(dialect, body);
}

std::string replay_stream(const Candidate& candidate, const std::string& body) {
  const Reading expected = read_recorded_stream(candidate.dialect, body);
  const StreamRun run = run_whole(candidate, chat_options(), body);
  const Reading got = read_chat_stream(run.out);
  check_cuts(candidate, body, run);
  if (expected.error) {
    REQUIRE(run.failure.has_value());
    CHECK_FALSE(got.terminated);
    CHECK(got.error == run.started);
    return "passed: ends with the provider's error, never as if whole";
  }
  REQUIRE_FALSE(run.failure.has_value());
  CHECK(run.complete);
  CHECK(got.terminated);
  CHECK_FALSE(got.error);
  compare(expected, got);
  compare_usage(expected, run.tally);
  CHECK_FALSE(run.tally.invalid_tool_json);
  return "passed: " + std::to_string(body.size() + 1) + " cuts and bytewise";
}

std::string replay_whole(const Candidate& candidate, const std::string& body) {
  const Reading expected = read_recorded_body(candidate.dialect, body);
  const auto translated = translate_response(candidate, chat_options(), body);
  REQUIRE(translated.has_value());
  compare(expected, read_provider_body(Dialect::openai_chat, translated->body));
  compare_usage(expected, translated->tally);
  CHECK(translated->tally.finish == expected.finish);
  return "passed";
}

std::string replay_error(const Candidate& candidate, const Json& answer) {
  HeaderList headers;
  for (const Json& header : answer.at("headers")) {
    if (header.at(1).is_string())
      headers.emplace_back(header.at(0).get<std::string>(), header.at(1).get<std::string>());
  }
  const int status = answer.at("status").get<int>();
  const std::string body = answer.at("body").get<std::string>();
  const Error error = read_upstream_error(candidate, Dialect::openai_chat, status, headers, body);
  CHECK(error.origin == Origin::upstream);
  CHECK_FALSE(error.message.empty());
  const std::string name = answer.at("case").get<std::string>();
  const std::string what = error.code;
  if (name.find("auth-") != std::string::npos) CHECK(what == "upstream_auth");
  if (name.find("404") != std::string::npos) CHECK(what == "model_not_found");
  if (name.find("context") != std::string::npos || name.find("too-long") != std::string::npos) {
    if (status == 400) CHECK(what == "context_length_exceeded");
  }
  if (status == 429) {
    CHECK(what == "rate_limit_exceeded");
    CHECK(error.retry_after_s.has_value());
  }
  return "passed: " + what + " → status " + std::to_string(error.http_status);
}

void write_table(const std::vector<Row>& rows) {
  const char* path = std::getenv("TURNPIKE_REPLAY_TABLE");
  if (path == nullptr) return;
  std::ofstream table{path};
  std::size_t passed = 0;
  for (const Row& row : rows) passed += row.result.starts_with("passed") ? 1 : 0;
  table << "# Recorded answers that the dialects are tested with\n\n"
        << "Made by `TURNPIKE_REPLAY_TABLE=docs/replay-cases.md dialect_test \"[replay]\"`. "
        << rows.size() << " answers, " << passed << " passed, " << rows.size() - passed
        << " not applicable, with the reason.\n"
        << "A stream is fed in two pieces for each byte it can be cut at, then byte by byte; what "
           "comes out must be "
           "the same\nto the byte, and text, reasoning, calls, finish reason and usage must be "
           "those that a second, "
           "naive reader finds.\n\n"
        << "| case | answer | result |\n|---|---|---|\n";
  for (const Row& row : rows)
    table << "| " << row.name << " | " << row.part << " | " << row.result << " |\n";
}

}  // namespace

TEST_CASE("recorded answers come out whole and the same however they are cut",
          "[dialect][replay][U10]") {
  std::vector<Row> rows;
  for (const Json& answer : recorded_answers()) {
    Row row{answer.at("case").get<std::string>(), answer.at("part").get<std::string>(), {}};
    INFO(row.name << " " << row.part);
    if (answer.contains("skip")) {
      row.result = "not applicable: " + answer.at("skip").get<std::string>();
    } else {
      const auto dialect = parse_dialect(answer.at("dialect").get<std::string>());
      REQUIRE(dialect.has_value());
      const Candidate candidate = candidate_for(*dialect);
      const std::string form = answer.at("form").get<std::string>();
      const std::string body = answer.at("body").get<std::string>();
      row.result = form == "error"    ? replay_error(candidate, answer)
                   : form == "stream" ? replay_stream(candidate, body)
                                      : replay_whole(candidate, body);
    }
    rows.push_back(std::move(row));
  }
  if (!rows.empty()) CHECK(rows.size() > 150);
  write_table(rows);
}

}  // namespace turnpike::dialect::test
