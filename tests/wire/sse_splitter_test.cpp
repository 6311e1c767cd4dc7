#include "wire/sse_splitter.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

namespace turnpike::wire {
namespace {

struct Seen {
  std::string name;
  std::string data;
  std::string raw;
  bool has_data;
  bool terminated;
  bool operator==(const Seen&) const = default;
};

struct Collector {
  std::vector<Seen> events;
  bool operator()(const SseEvent& event) {
    events.push_back({std::string{event.name}, std::string{event.data}, std::string{event.raw},
                      event.has_data, event.terminated});
    return true;
  }
};

std::vector<Seen> split(const std::vector<std::string_view>& pieces) {
  SseSplitter splitter;
  Collector seen;
  for (const std::string_view piece : pieces) CHECK(splitter.feed(piece, seen));
  CHECK(splitter.finish(seen));
  CHECK(splitter.held_bytes() == 0);
  return seen.events;
}

std::vector<std::string_view> bytewise(std::string_view text) {
  std::vector<std::string_view> pieces;
  for (std::size_t at = 0; at < text.size(); ++at) pieces.push_back(text.substr(at, 1));
  return pieces;
}

}  // namespace

TEST_CASE("fields, comments and several data lines are read as the standard says", "[wire][sse]") {
  const auto events =
      split({"event: a\nid: 7\ndata: x\ndata:y\ndata\n\n: keep-alive\n\ndata:  two\n\n"});
  REQUIRE(events.size() == 3);
  CHECK(events[0] == Seen{"a", "x\ny\n", "event: a\nid: 7\ndata: x\ndata:y\ndata\n\n", true, true});
  CHECK(events[1] == Seen{"", "", ": keep-alive\n\n", false, true});
  CHECK(events[2].data == " two");
}

TEST_CASE("all three line ends and a byte order mark give the same events", "[wire][sse]") {
  for (const std::string eol : {"\n", "\r\n", "\r"}) {
    const std::string stream =
        "\xEF\xBB\xBF"
        "data: 1" +
        eol + eol + eol + "event: e" + eol + "data: 2" + eol + eol;
    const auto events = split({stream});
    REQUIRE(events.size() == 2);
    CHECK(events[0].raw == "data: 1" + eol + eol);
    CHECK(events[0].data == "1");
    CHECK(events[1].name == "e");
    CHECK(events[1].data == "2");
    for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
      const std::string_view text{stream};
      CHECK(split({text.substr(0, cut), text.substr(cut)}) == events);
    }
    CHECK(split(bytewise(stream)) == events);
  }
}

TEST_CASE("an unterminated rest is given at the end and says so", "[wire][sse]") {
  const auto events = split({"data: 1\n\ndata: {\"a\""});
  REQUIRE(events.size() == 2);
  CHECK(events[0].terminated);
  CHECK(events[1].data == "{\"a\"");
  CHECK_FALSE(events[1].terminated);
}

TEST_CASE("a stopped splitter gives nothing more of the same bytes", "[wire][sse]") {
  SseSplitter splitter;
  int count = 0;
  CHECK_FALSE(
      splitter.feed("data: 1\n\ndata: 2\n\n", [&](const SseEvent&) { return ++count < 1; }));
  CHECK(count == 1);
  CHECK_FALSE(splitter.failed());
}

TEST_CASE("an event beyond the limit fails whether it ends or not", "[wire][sse]") {
  const auto any = [](const SseEvent&) { return true; };
  SseSplitter unfinished{16};
  CHECK(unfinished.feed("data: 0123456789", any));
  CHECK_FALSE(unfinished.feed("0", any));
  CHECK(unfinished.failed());
  CHECK_FALSE(unfinished.feed("\n\n", any));
  SseSplitter finished{16};
  CHECK_FALSE(finished.feed("data: 0123456789\n\n", any));
  CHECK(finished.failed());
  SseSplitter many{16};
  CHECK(many.feed("data: 01234567\n\ndata: 01234567\n\n", any));
}

TEST_CASE("random bytes give the same events however they are cut", "[wire][sse][fuzz][U10]") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random{seed};
  const std::string_view alphabet = "\r\n\n\r:d a\xEF\xBB\xBF";
  for (int round = 0; round < 400; ++round) {
    std::string stream;
    for (std::size_t length = random() % 60; stream.size() < length;) {
      if (random() % 6 == 0) {
        stream += "data: ";
      } else {
        stream += alphabet[random() % alphabet.size()];
      }
    }
    const auto whole = split({stream});
    CHECK(split(bytewise(stream)) == whole);
    const std::size_t cut = random() % (stream.size() + 1);
    const std::string_view text{stream};
    CHECK(split({text.substr(0, cut), text.substr(cut)}) == whole);
  }
}

}  // namespace turnpike::wire
