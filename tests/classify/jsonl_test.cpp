#include "classify/jsonl.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <sstream>
#include <string>

namespace turnpike::classify {
namespace {

class StandingClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return {}; }
  [[nodiscard]] Monotonic monotonic() const override { return {}; }
};

/// "id question" instead of JSON; "bad" cannot be read, "id! question" teaches that the weak model fails at it.
Result<FactsRow> read_line(std::string& line) {
  if (line == "bad") return std::unexpected{client_error("bad_row", "no \"text\"")};
  FactsRow row;
  const auto blank = line.find(' ');
  row.facts.question = line.substr(blank + 1);
  row.id = line.substr(0, blank);
  if (row.id.ends_with('!')) row.learn = KnownOutcome{0, 1.0F};
  return row;
}

double score_in(const std::string& text, const std::string& id) {
  const auto at = text.find("{\"id\":\"" + id + "\",\"score\":");
  return at == std::string::npos ? -1 : std::stod(text.substr(text.find("score\":", at) + 7));
}

}  // namespace

TEST_CASE("each line gets its score in order", "[classify][jsonl]") {
  std::istringstream in{"a\"1 Prove the theorem.\n\nc! Teach.\nb List files.\n"};
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

TEST_CASE("a row with an outcome teaches the rows behind it and prints nothing", "[classify][jsonl]") {
  std::string lines{"before Water the roses.\n"};
  for (int i = 0; i < 40; ++i) lines += "x! Water the roses.\n";
  lines += "after Water the roses.\nother Prove the theorem.\n";
  std::istringstream in{lines};
  std::ostringstream out;
  StandingClock clock;
  REQUIRE(classify_jsonl(in, out, Classifier::built_in(), read_line, clock));
  CHECK(std::ranges::count(out.str(), '\n') == 3);
  CHECK(score_in(out.str(), "after") > score_in(out.str(), "before") + 0.1);
  // Nothing is kept for the next run.
  std::istringstream again{"before Water the roses.\n"};
  std::ostringstream second;
  REQUIRE(classify_jsonl(again, second, Classifier::built_in(), read_line, clock));
  CHECK(score_in(second.str(), "before") == score_in(out.str(), "before"));
}

}  // namespace turnpike::classify
