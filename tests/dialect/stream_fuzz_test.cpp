// Mutated and random streams: no crash, no [DONE] after an error, and the same output at every cut.
// The seed is printed; TURNPIKE_FUZZ_SEED=<n> repeats a run.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "answer_reading.hpp"
#include "dialect/response_translator.hpp"
#include "dialect/upstream_error.hpp"
#include "stream_support.hpp"

namespace turnpike::dialect::test {
namespace {

unsigned fuzz_seed() {
  const char* given = std::getenv("TURNPIKE_FUZZ_SEED");
  return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10))
                          : std::random_device{}();
}

std::string golden(std::string_view dialect) {
  std::ifstream file{std::string{TURNPIKE_SOURCE_DIR} + "/tests/golden/streams/tools-thinking." +
                         std::string{dialect} + ".sse",
                     std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// Flips, drops, doubles and moves bytes and whole events.
std::string mutated(std::string stream, std::mt19937& random) {
  const auto pick = [&](std::size_t bound) { return bound == 0 ? 0 : random() % bound; };
  static constexpr std::string_view spice = "\"{}[]:,\\\n\r0-9eunl\xF0\x9F data";
  for (std::size_t count = 1 + pick(6); count > 0 && !stream.empty(); --count) {
    const std::size_t at = pick(stream.size());
    const std::size_t length = pick(std::min<std::size_t>(stream.size() - at, 200));
    switch (random() % 6) {
      case 0:
        stream[at] = static_cast<char>(random());
        break;
      case 1:
        stream.erase(at, length);
        break;
      case 2:
        stream.insert(pick(stream.size()), stream.substr(at, length));
        break;
      case 3:
        stream.insert(at, 1, spice[pick(spice.size())]);
        break;
      case 4:
        stream.replace(at, 1, "null");
        break;
      default: {
        const std::size_t event = stream.find("\n\n", at);
        if (event != std::string::npos) stream.insert(0, stream.substr(event));
      }
    }
  }
  return stream;
}

void check_run(const Candidate& candidate, const std::string& stream, std::mt19937& random) {
  const StreamRun whole = run_whole(candidate, chat_options(), stream);
  REQUIRE(whole.complete != whole.failure.has_value());
  // At the start of a line: a mutation can make it the tail of a field nobody knows ("nulldata: [DONE]").
  if (whole.failure) REQUIRE(("\n" + whole.out).find("\ndata: [DONE]\n") == std::string::npos);
  if (!whole.started) REQUIRE(whole.out.empty());
  if (candidate.dialect != Dialect::openai_chat) {
    REQUIRE_NOTHROW(read_chat_stream(whole.out));
    REQUIRE(read_chat_stream(whole.out).terminated == whole.complete);
  }
  const std::string_view text{stream};
  const std::size_t cut = random() % (stream.size() + 1);
  REQUIRE(run_pieces(candidate, chat_options(), {text.substr(0, cut), text.substr(cut)}).out ==
          whole.out);
}

}  // namespace

TEST_CASE("mutated streams never crash, never look whole when they are not",
          "[dialect][stream][fuzz]") {
  const unsigned seed = fuzz_seed();
  WARN("TURNPIKE_FUZZ_SEED=" << seed);
  std::mt19937 random{seed};
  for (const std::string name : {"openai-chat", "anthropic-messages", "gemini-generate"}) {
    const Candidate candidate = candidate_for(*parse_dialect(name));
    const std::string stream = golden(name);
    REQUIRE_FALSE(stream.empty());
    for (int round = 0; round < 1500; ++round)
      check_run(candidate, mutated(stream, random), random);
  }
}

TEST_CASE("random bytes as streams, bodies and errors never crash", "[dialect][stream][fuzz]") {
  const unsigned seed = fuzz_seed();
  WARN("TURNPIKE_FUZZ_SEED=" << seed);
  std::mt19937 random{seed};
  for (const Dialect dialect :
       {Dialect::openai_chat, Dialect::anthropic_messages, Dialect::gemini_generate}) {
    const Candidate candidate = candidate_for(dialect);
    for (int round = 0; round < 500; ++round) {
      std::string bytes = "data: ";
      for (std::size_t length = random() % 120; length > 0; --length)
        bytes += static_cast<char>(random());
      check_run(candidate, bytes + "\n\n", random);
      const auto whole = translate_response(candidate, chat_options(), bytes);
      REQUIRE_FALSE(whole.has_value());
      REQUIRE_FALSE(read_upstream_error(candidate, Dialect::openai_chat,
                                        static_cast<int>(random() % 1000), {}, bytes)
                        .message.empty());
    }
  }
}

}  // namespace turnpike::dialect::test
