#include "app/csv.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace turnpike;
using namespace turnpike::app;

namespace {

using Lines = std::vector<std::vector<std::string>>;

Lines read(std::string_view text) {
  const auto records = read_csv(text);
  INFO((records ? std::string{} : records.error().message));
  REQUIRE(records);
  Lines lines;
  for (const auto& record : *records) lines.push_back(record.fields);
  return lines;
}

std::string refusal(std::string_view text) {
  const auto records = read_csv(text);
  REQUIRE_FALSE(records);
  CHECK(records.error().code == "bad_csv");
  return records.error().message;
}

}  // namespace

TEST_CASE("CSV is read with quotes, either line end, a byte order mark and blank lines", "[csv]") {
  CHECK(read("a,b\nc,d\n") == Lines{{"a", "b"}, {"c", "d"}});
  CHECK(read("\xef\xbb\xbf" "a,b\r\nc,d") == Lines{{"a", "b"}, {"c", "d"}});
  CHECK(read("\"a,1\",\"say \"\"hi\"\"\"\n") == Lines{{"a,1", "say \"hi\""}});
  CHECK(read("\"two\nlines\",x\n") == Lines{{"two\nlines", "x"}});
  CHECK(read("a,,\n\n,\n") == Lines{{"a", "", ""}, {"", ""}});
  CHECK(read("\"\"\n") == Lines{});
  CHECK(read("").empty());
  const auto records = read_csv("a\n\"b\nb\"\nc\n");
  REQUIRE(records);
  CHECK(records->at(2).line == 4);
}

TEST_CASE("what is no CSV is refused with its line", "[csv]") {
  CHECK(refusal("a\n\"open,b\nc\n").starts_with("line 2 "));
  CHECK(refusal("a\n\"x\"y,b\n").starts_with("line 2 "));
  CHECK(refusal("a,b\"c\"\n").starts_with("line 1 "));
  CHECK(refusal("a\rb\n").starts_with("line 1 "));
}

TEST_CASE("a line that was written is read back the same", "[csv]") {
  const std::vector<std::string> fields{"plain", "with,comma", "with \"quotes\"", "", " blank in front", "two\nlines", "cr\rhere"};
  CHECK(read(csv_line(fields)) == Lines{fields});
  CHECK(csv_line({"a", "b c"}) == "a,b c\n");
}
