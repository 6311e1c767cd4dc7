#include "classify/jsonl.hpp"

#include <catch2/catch.hpp>

#include <sstream>

namespace turnpike::classify {
namespace {

class StandingClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return {}; }
  [[nodiscard]] Monotonic monotonic() const override { return {}; }
};

/// "id question" instead of JSON; "bad" cannot be read, "learn" only teaches.
Result<std::pair<std::string, RequestFacts>> read_line(std::string& line) {
  if (line == "bad") return std::unexpected{client_error("bad_row", "no \"text\"")};
  if (line == "learn") return std::unexpected{client_error("learn_unsupported", "not yet")};
  RequestFacts facts;
  const auto blank = line.find(' ');
  facts.question = line.substr(blank + 1);
  return std::pair{line.substr(0, blank), facts};
}

}  // namespace

TEST_CASE("each line gets its score in order", "[classify][jsonl]") {
  std::istringstream in{"a\"1 Prove the theorem.\n\nlearn\nb List files.\n"};
  std::ostringstream out;
  StandingClock clock;
  REQUIRE(classify_jsonl(in, out, Classifier::built_in(), read_line, clock));
  const std::string text = out.str();
  CHECK(text.starts_with(R"({"id":"a\"1","score":0.)"));
  CHECK(text.find("\n{\"id\":\"b\",\"score\":0.") != std::string::npos);
  CHECK(text.find("\"step\":\"human_turn\",\"us\":0.00}\n") != std::string::npos);
  CHECK(std::ranges::count(text, '\n') == 2);
}

TEST_CASE("a line that cannot be read is reported and the rest goes on", "[classify][jsonl]") {
  std::istringstream in{"a One.\nbad\nb Two."};
  std::ostringstream out;
  StandingClock clock;
  const auto done = classify_jsonl(in, out, Classifier::built_in(), read_line, clock);
  REQUIRE_FALSE(done);
  CHECK(done.error().message == "1 of 3 lines could not be read");
  CHECK(out.str().find(R"({"line":2,"error":"no \"text\""})") != std::string::npos);
  CHECK(out.str().find(R"({"id":"b")") != std::string::npos);
}

}  // namespace turnpike::classify
