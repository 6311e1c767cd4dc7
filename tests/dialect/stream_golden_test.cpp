// tests/golden/streams/<case>.<provider dialect>.sse gives <case>.<provider dialect>.to-chat.sse,
// however it is cut. TURNPIKE_GOLDEN_WRITE=1 writes the expected files anew; read the difference
// before committing it.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "answer_reading.hpp"
#include "stream_support.hpp"

namespace turnpike::dialect::test {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

struct Golden {
  fs::path path;
  Dialect dialect;
  std::string stream;
};

std::vector<Golden> goldens() {
  std::vector<Golden> found;
  for (const auto& entry :
       fs::directory_iterator{fs::path{TURNPIKE_SOURCE_DIR} / "tests/golden/streams"}) {
    const fs::path path = entry.path();
    const auto dialect = parse_dialect(path.stem().extension().string().erase(0, 1));
    if (path.extension() == ".sse" && dialect) found.push_back({path, *dialect, read_file(path)});
  }
  return found;
}

fs::path expected_path(const Golden& golden) {
  return fs::path{golden.path}.replace_extension(".to-chat.sse");
}

/// Offsets at which an event ends.
std::vector<std::size_t> event_ends(const std::string& stream) {
  std::vector<std::size_t> ends;
  for (const std::string_view mark : {"\n\n", "\r\n\r\n"}) {
    for (std::size_t at = stream.find(mark); at != std::string::npos;
         at = stream.find(mark, at + 1)) {
      ends.push_back(at + mark.size());
    }
  }
  return ends;
}

/// The last event at whose end the answer is whole: [DONE] may be missing after a finish chunk,
/// Gemini has no mark.
std::size_t whole_from(const Golden& golden) {
  const std::string mark = golden.dialect == Dialect::anthropic_messages ? "message_stop\"}"
                           : golden.dialect == Dialect::openai_chat
                               ? "\"finish_reason\": \"tool_calls\""
                               : "\"finishReason\"";
  return golden.stream.find(mark);
}

}  // namespace

TEST_CASE("golden streams come out as written and the same at every cut",
          "[dialect][stream][golden]") {
  const auto all = goldens();
  REQUIRE(all.size() >= 3);
  for (const Golden& golden : all) {
    INFO(golden.path.filename().string());
    const Candidate candidate = candidate_for(golden.dialect);
    const StreamRun whole = run_whole(candidate, chat_options(), golden.stream);
    if (std::getenv("TURNPIKE_GOLDEN_WRITE") != nullptr) {
      std::ofstream{expected_path(golden), std::ios::binary} << whole.out;
    }
    CHECK(whole.out == read_file(expected_path(golden)));
    CHECK(whole.complete);
    CHECK(run_bytes(candidate, chat_options(), golden.stream).out == whole.out);
    for (std::size_t cut = 0; cut <= golden.stream.size(); ++cut) {
      const std::string_view text{golden.stream};
      const StreamRun run =
          run_pieces(candidate, chat_options(), {text.substr(0, cut), text.substr(cut)});
      REQUIRE(run.out == whole.out);
    }
  }
}

TEST_CASE("a golden stream truncated at any byte before its end never looks whole",
          "[dialect][stream]") {
  for (const Golden& golden : goldens()) {
    const Candidate candidate = candidate_for(golden.dialect);
    const std::size_t whole = whole_from(golden);
    REQUIRE(whole != std::string::npos);
    for (std::size_t length = 0; length < whole; ++length) {
      INFO(golden.path.filename().string() << " cut to " << length << " bytes");
      const StreamRun run =
          run_whole(candidate, chat_options(), std::string_view{golden.stream}.substr(0, length));
      REQUIRE_FALSE(run.complete);
      REQUIRE(run.failure.has_value());
      REQUIRE(run.out.find("[DONE]") == std::string::npos);
      const Reading got = read_chat_stream(run.out);
      REQUIRE(got.finish.empty());
      REQUIRE(got.error == run.started);
      REQUIRE(run.out.empty() == !run.started);
      REQUIRE(run.failure->retry != Retry::never);
    }
  }
}

TEST_CASE("a broken connection is told like a truncated stream, with its own words",
          "[dialect][stream]") {
  const Error reset =
      upstream_error(502, Retry::same_then_next, "upstream_reset", "connection reset");
  for (const Golden& golden : goldens()) {
    for (const std::size_t end : event_ends(golden.stream)) {
      if (end >= whole_from(golden)) continue;
      const std::string_view text{golden.stream};
      const StreamRun run = run_pieces(candidate_for(golden.dialect), chat_options(),
                                       {text.substr(0, end)}, std::unexpected{reset});
      REQUIRE(run.failure.has_value());
      CHECK(run.failure->code == "upstream_reset");
      CHECK(read_chat_stream(run.out).error == run.started);
    }
  }
}

}  // namespace turnpike::dialect::test
