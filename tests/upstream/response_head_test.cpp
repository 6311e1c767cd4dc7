#include "upstream/response_head.hpp"

#include <catch2/catch.hpp>
#include <string>

using turnpike::upstream::is_forwarded_header;
using turnpike::upstream::ResponseHeadReader;
using State = ResponseHeadReader::State;

namespace {

State feed_all(ResponseHeadReader& reader, std::initializer_list<std::string_view> lines) {
  auto state = State::reading;
  for (const auto line : lines) state = reader.feed(line);
  return state;
}

ResponseHeadReader make_reader() { return ResponseHeadReader{64 * 1024, 256}; }

}  // namespace

TEST_CASE("a response head keeps the content type and the allow-listed fields in lower case") {
  auto reader = make_reader();
  REQUIRE(
      feed_all(reader, {"HTTP/1.1 200 OK\r\n", "Content-Type: text/event-stream; charset=utf-8\r\n",
                        "Request-Id:  req_1 \r\n", "Anthropic-RateLimit-Tokens-Remaining: 12\r\n",
                        "anthropic-organization-id: org\r\n", "Set-Cookie: a=b\r\n",
                        "Authorization: Bearer sk\r\n", "X-DS-Trace-Id: t\r\n", "\r\n"}) ==
      State::complete);
  const auto head = reader.take();
  CHECK(head.status == 200);
  CHECK(head.content_type == "text/event-stream; charset=utf-8");
  CHECK(head.headers == turnpike::HeaderList{{"request-id", "req_1"},
                                             {"anthropic-ratelimit-tokens-remaining", "12"},
                                             {"x-ds-trace-id", "t"}});
}

TEST_CASE("interim responses 100 and 103 leave no trace in the final head") {
  auto reader = make_reader();
  REQUIRE(feed_all(reader, {"HTTP/1.1 100 Continue\r\n", "\r\n", "HTTP/1.1 103 Early Hints\r\n",
                            "request-id: early\r\n", "\r\n"}) == State::reading);
  REQUIRE(feed_all(reader, {"HTTP/2 429 \r\n", "retry-after: 2\r\n", "\r\n"}) == State::complete);
  const auto head = reader.take();
  CHECK(head.status == 429);
  CHECK(head.headers == turnpike::HeaderList{{"retry-after", "2"}});
}

TEST_CASE("statuses that are no answer are refused") {
  const std::string status =
      GENERATE("101", "102", "199", "300", "302", "308", "600", "999", "099", "abc", "20", "");
  auto reader = make_reader();
  CHECK(reader.feed("HTTP/1.1 " + status + "\r\n") == State::refused);
  CHECK_FALSE(reader.fault().empty());
}

TEST_CASE("heads are cut at their byte and field limits, trailers included") {
  SECTION("bytes") {
    auto reader = make_reader();
    reader.feed("HTTP/1.1 200 OK\r\n");
    CHECK(reader.feed("x: " + std::string(65 * 1024, 'x') + "\r\n") == State::refused);
  }
  SECTION("fields") {
    auto reader = make_reader();
    reader.feed("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 256; ++i) REQUIRE(reader.feed("x: y\r\n") == State::reading);
    CHECK(reader.feed("x: y\r\n") == State::refused);
  }
  SECTION("trailers are dropped, and cut") {
    auto reader = make_reader();
    feed_all(reader, {"HTTP/1.1 200 OK\r\n", "\r\n"});
    CHECK(reader.feed("retry-after: 9\r\n") == State::complete);
    CHECK(reader.feed(std::string(65 * 1024, 'x')) == State::refused);
  }
}

TEST_CASE("folded lines and values with control bytes are not handed on") {
  auto reader = make_reader();
  feed_all(reader, {"HTTP/1.1 200 OK\r\n", "request-id: a\x01z\r\n", " folded: retry-after\r\n",
                    "\tretry-after: 1\r\n", "no colon\r\n", ": 1\r\n", "\r\n"});
  CHECK(reader.take().headers.empty());
}

TEST_CASE("the allow-list names exactly the useful headers") {
  CHECK(is_forwarded_header("x-ratelimit-remaining-tokens"));
  CHECK(is_forwarded_header("anthropic-ratelimit-unified-status"));
  CHECK(is_forwarded_header("x-gemini-service-tier"));
  CHECK(is_forwarded_header("retry-after-ms"));
  CHECK_FALSE(is_forwarded_header("anthropic-organization-id"));
  CHECK_FALSE(is_forwarded_header("set-cookie"));
  CHECK_FALSE(is_forwarded_header("x-api-key"));
}
