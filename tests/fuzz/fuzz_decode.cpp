// Whatever a provider sends, a client of each dialect is told either a whole answer or an error.
//
//   setting := provider's dialect (low 2 bits), client's dialect (low 2 bits) and flags, further
//              flags, seed of the cuts
#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client_reading.hpp"
#include "dialect/error_body.hpp"
#include "dialect/opaque_store.hpp"
#include "dialect/response_translator.hpp"
#include "dialect/stream_translator.hpp"
#include "fuzz_target.hpp"
#include "support/fake_clock.hpp"
#include "wire/json_check.hpp"
#include "wire/json_document.hpp"

namespace turnpike::fuzz {
namespace {

using dialect::StreamOptions;
using dialect::StreamTranslator;

struct Case {
  Candidate candidate;
  StreamOptions options;
  bool transport_broken = false;
  unsigned cut_seed = 0;
  std::string_view text;

  /// Original bytes go on, so that what is wrong inside a valid event stays so.
  [[nodiscard]] bool relayed() const { return candidate.dialect == options.client; }

  /// Calls of custom tools are free text. Only Responses has them, and only for its own clients.
  [[nodiscard]] bool calls_are_objects() const {
    return candidate.dialect != Dialect::openai_responses ||
           text.find("custom") == std::string_view::npos;
  }
};

Candidate candidate_of(Dialect dialect) {
  Candidate candidate;
  candidate.dialect = dialect;
  candidate.provider = "deepseek";
  candidate.model = "deepseek-flash";
  candidate.family = "deepseek-v4";
  candidate.quirks.reasoning_history = dialect == Dialect::openai_chat;
  if (dialect == Dialect::anthropic_messages) candidate.family = "claude-5.5";
  if (dialect == Dialect::gemini_generate) candidate.family = "gemini-3";
  return candidate;
}

Case read_case(const Input& input) {
  const auto flag = [&](std::size_t byte, unsigned bit) {
    return (input.setting[byte] >> bit & 1U) != 0;
  };
  Case found;
  found.candidate = candidate_of(static_cast<Dialect>(input.setting[0] & 3U));
  StreamOptions& options = found.options;
  options.client = static_cast<Dialect>(input.setting[1] & 3U);
  options.include_usage = flag(1, 2);
  options.include_reasoning = !flag(1, 3);
  options.id = "answer-1";
  options.created = 1764000000;
  options.model = "auto";
  options.owner = "key-1";
  const bool crosses = options.client != found.candidate.dialect;
  if (crosses && flag(2, 0)) options.tools.push_back({"read_file", "read.file", "", false});
  if (crosses && flag(2, 1)) options.tools.push_back({"shell", "shell", "host", true});
  if (flag(2, 2)) options.echo = R"("temperature":0.2,"store":false)";
  found.transport_broken = flag(2, 3);
  found.cut_seed = input.setting[3];
  found.text = input.text;
  return found;
}

struct Run {
  std::string out;
  bool complete = false;
  bool started = false;
  std::optional<Error> failure;
  dialect::Tally tally;
};

enum class Heartbeats : std::uint8_t { none, between_pieces };

void check_error(Dialect client, const Error& error) {
  require(!error.code.empty() && !error.message.empty(), "an error has a code and a message");
  require(error.http_status >= 400 && error.http_status < 600, "and a status of errors");
  require(!wire::check_json(dialect::error_body(client, error), wire::json_depth_max).fault,
          "its body is JSON");
}

/// The last word has been said: whatever comes now, nothing is appended.
void check_silence(StreamTranslator& translator, std::string& out) {
  const std::string before = out;
  translator.feed("data: {\"type\":\"ping\"}\n\ndata: [DONE]\n\n", out);
  translator.heartbeat(out);
  translator.end({}, out);
  translator.fail(gateway_error(503, "draining", "The gateway is going down."), out);
  require(out == before, "nothing is appended behind the end");
}

Run run(const Case& given, const std::vector<std::string_view>& pieces, Heartbeats heartbeats) {
  turnpike::test::FakeClock clock;
  dialect::OpaqueStore store{clock, std::size_t{1} << 20U};
  StreamOptions options = given.options;
  options.opaque = &store;
  StreamTranslator translator{given.candidate, options};
  Run run;
  for (const std::string_view piece : pieces) {
    translator.feed(piece, run.out);
    if (heartbeats == Heartbeats::between_pieces) translator.heartbeat(run.out);
  }
  Result<void> transport;
  if (given.transport_broken)
    transport = std::unexpected{
        upstream_error(502, Retry::same_then_next, "connection_lost", "The connection broke.")};
  translator.end(transport, run.out);
  run.complete = translator.complete();
  run.started = translator.content_started();
  run.failure = translator.failure();
  run.tally = translator.tally();
  require(run.complete != run.failure.has_value(), "an answer is whole or has failed");
  if (run.failure) check_error(options.client, *run.failure);
  if (!run.started && heartbeats == Heartbeats::none) {
    require(run.out.empty(), "before content nothing is appended");
  }
  if (run.failure && !run.started) translator.fail(*run.failure, run.out);
  check_silence(translator, run.out);
  return run;
}

void check_client(const Case& given, const Run& run) {
  const Dialect client = given.options.client;
  const ClientReading reading = read_stream(client, run.out);
  const auto told = [&](std::string_view what) {
    return fmt::format("{}; the client sees:\n{}", what, run.out);
  };
  if (given.relayed()) {
    // Gemini's end has no event of its own: one candidate may be finished when another breaks.
    require(client == Dialect::gemini_generate || !run.failure || !reading.terminated,
            told("no terminator after a failure"));
    return;
  }
  require(reading.faults.empty(), told(reading.faults.empty() ? "" : reading.faults.front()));
  require(reading.terminated == run.complete, told("the terminator stands for a whole answer"));
  require(reading.error == run.failure.has_value(), told("a failure is told"));
  require(!given.calls_are_objects() || reading.broken_calls.empty(),
          told("no tool is run with arguments that are no object"));
}

bool same(const Run& a, const Run& b) {
  return a.out == b.out && a.complete == b.complete && a.started == b.started &&
         a.failure.has_value() == b.failure.has_value() &&
         (!a.failure || a.failure->code == b.failure->code) && a.tally.usage == b.tally.usage &&
         a.tally.finish == b.tally.finish && a.tally.output_bytes == b.tally.output_bytes;
}

void check_streamed(const Case& given) {
  const Run whole = run(given, {given.text}, Heartbeats::none);
  check_client(given, whole);
  const auto pieces = cut(given.text, given.cut_seed, given.cut_seed % 4 == 0 ? 1 : 60);
  require(same(run(given, pieces, Heartbeats::none), whole), "every cut gives the same answer");
  check_client(given, run(given, cut(given.text, given.cut_seed, 400), Heartbeats::between_pieces));
}

void check_whole(const Case& given) {
  const auto answer =
      dialect::translate_response(given.candidate, given.options, std::string{given.text});
  if (!answer) return check_error(given.options.client, answer.error());
  require(!wire::check_json(answer->body, 2 * wire::json_depth_max).fault,
          "an answer is JSON: " + answer->body);
  if (given.relayed()) return;
  const ClientReading reading = read_body(given.options.client, answer->body);
  require(reading.faults.empty(), "an answer is an object: " + answer->body);
  require(!given.calls_are_objects() || reading.broken_calls.empty(),
          "no tool is run with arguments that are no object: " + answer->body);
}

}  // namespace
}  // namespace turnpike::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace turnpike::fuzz;
  const Case given = read_case(read_input(data, size));
  check_streamed(given);
  check_whole(given);
  return 0;
}
