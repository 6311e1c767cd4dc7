#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "upstream/rig.hpp"

using namespace turnpike;
using namespace turnpike::test;

namespace {

// "data: hello\n\n" as gzip, with Python's zlib.
const std::string gzipped{
    "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x4b\x49\x2c\x49\xb4\x52\xc8\x48\xcd\xc9"
    "\xc9\xe7\xe2\x02\x00\x1d\x73\x9d\xd4\x0d\x00\x00\x00",
    33};

}  // namespace

TEST_CASE("a whole answer arrives with its head") {
  std::optional<RawRequest> seen;
  RawServer server{[&](RawConnection& connection) {
    seen = connection.read_request();
    connection.write(ok_response(R"({"ok":true})", "Request-Id: r1\r\nSet-Cookie: no\r\n"));
    connection.read_request();
  }};
  Rig rig;
  auto request = rig.request(rig.endpoint(server.url()), R"({"model":"m","n":1})");
  request.headers = {{"anthropic-beta", "b1"}};
  const auto exchanged = rig.fetch(std::move(request));
  REQUIRE(exchanged->error().empty());
  CHECK((*exchanged->head)->status == 200);
  CHECK((*exchanged->head)->content_type == "application/json");
  CHECK((*exchanged->head)->headers == HeaderList{{"request-id", "r1"}});
  CHECK(exchanged->receiver.body == R"({"ok":true})");
  CHECK(exchanged->transfer->fully_sent());
  CHECK(rig.upstream.active() == 0);

  REQUIRE(seen);
  CHECK(seen->head.starts_with("POST /v1/messages HTTP/1.1\r\n"));
  CHECK(seen->body == R"({"model":"m","n":1})");
  CHECK(seen->field("content-type") == "application/json");
  CHECK(seen->field("authorization") == "Bearer sk-canary-4711");
  CHECK(seen->field("anthropic-beta") == "b1");
  CHECK(seen->field("accept-encoding") == "identity");
  CHECK_FALSE(seen->field("expect"));
  CHECK_FALSE(seen->field("cookie"));
}

TEST_CASE("an error status is an answer, not an error") {
  RawServer server{[](RawConnection& connection) {
    connection.read_request();
    connection.write(
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\nContent-Length: 2\r\n\r\n{}");
  }};
  Rig rig;
  const auto exchanged = rig.fetch(server.url());
  REQUIRE(exchanged->error().empty());
  CHECK((*exchanged->head)->status == 429);
  CHECK((*exchanged->head)->headers == HeaderList{{"retry-after", "7"}});
  CHECK(exchanged->receiver.body == "{}");
}

TEST_CASE("a chunked stream cut at every byte arrives whole") {
  const std::string body = "data: caf\xc3\xa9 \xf0\x9f\x98\x80\r\n\r\ndata: [DONE]\n\n";
  const std::string wire =
      chunked_head + http_chunk(body.substr(0, 11)) + http_chunk(body.substr(11)) + "0\r\n\r\n";
  std::atomic<std::size_t> cut = 1;
  RawServer server{[&](RawConnection& connection) {
    while (connection.read_request()) {
      const std::size_t at = cut;
      connection.write(std::string_view{wire}.substr(0, at));
      server.pause(1ms);
      connection.write(std::string_view{wire}.substr(at));
    }
  }};
  Rig rig;
  for (cut = 1; cut < wire.size(); ++cut) {
    const auto exchanged = rig.fetch(server.url());
    INFO("cut at " << cut);
    REQUIRE(exchanged->error().empty());
    REQUIRE(exchanged->receiver.body == body);
  }
  CHECK(server.accepted() == 1);  // one connection served them all
}

TEST_CASE("a stream written one byte at a time arrives whole") {
  const std::string body = "data: {\"x\":\"\xf0\x9f\x98\x80\"}\r\n\r\n";
  RawServer server{[&](RawConnection& connection) {
    connection.read_request();
    for (const char c : chunked_head + http_chunk(body) + "0\r\n\r\n") {
      connection.write({&c, 1});
      server.pause(1ms);
    }
    connection.read_request();
  }};
  Rig rig;
  const auto exchanged = rig.fetch(server.url());
  CHECK(exchanged->error().empty());
  CHECK(exchanged->receiver.body == body);
}

TEST_CASE("U21: a gzip body nobody asked for is decoded, an unknown coding is an error", "[U21]") {
  std::string coding = "gzip";
  std::string body = gzipped;
  std::string expected_body = "data: hello\n\n";
  std::string expected_error;
  SECTION("gzip") {}
  SECTION("unknown") {
    coding = "rot13";
    expected_error = "bad_upstream";
    expected_body.clear();
  }
  SECTION("gzip promised, something else sent") {
    body = "data: hello\n\n";
    expected_error = "bad_upstream";
    expected_body.clear();
  }
  RawServer server{[&](RawConnection& connection) {
    connection.read_request();
    connection.write(ok_response(body, "Content-Encoding: " + coding + "\r\n"));
    connection.read_request();
  }};
  Rig rig;
  const auto exchanged = rig.fetch(server.url());
  CHECK(exchanged->error() == expected_error);
  CHECK(exchanged->receiver.body == expected_body);
}

TEST_CASE("a body that ends with its connection is complete for this room") {
  RawServer server{[](RawConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n");
  }};
  Rig rig;
  const auto exchanged = rig.fetch(server.url());
  CHECK(exchanged->error().empty());
  CHECK(exchanged->receiver.body == "data: 1\n\n");
}

TEST_CASE("U12: interim responses are passed over, a thousand of them too", "[U12]") {
  RawServer server{[](RawConnection& connection) {
    connection.read_request();
    for (int i = 0; i < 1000; ++i) connection.write("HTTP/1.1 100 Continue\r\n\r\n");
    connection.write("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n");
    connection.write(ok_response("{}"));
    connection.read_request();
  }};
  Rig rig;
  const auto exchanged = rig.fetch(server.url());
  CHECK(exchanged->error().empty());
  CHECK(exchanged->receiver.body == "{}");
}

TEST_CASE("a long request is fully sent only when the upstream has taken it") {
  std::atomic<bool> read_on = false;
  RawServer server{[&](RawConnection& connection) {
    while (!read_on) server.pause(5ms);
    const auto request = connection.read_request();
    connection.write(ok_response(std::to_string(request ? request->body.size() : 0)));
    connection.read_request();
  }};
  Rig rig;
  const auto exchanged =
      rig.start(rig.request(rig.endpoint(server.url()), std::string(16 << 20, 'x')));
  CHECK_FALSE(exchanged->transfer->fully_sent());
  rig.run_for(100ms);
  CHECK_FALSE(exchanged->transfer->fully_sent());
  read_on = true;
  REQUIRE(rig.run_until([&] { return exchanged->over(); }));
  CHECK(exchanged->transfer->fully_sent());
  CHECK(exchanged->receiver.body == std::to_string(16 << 20));
}

TEST_CASE("a short request is fully sent while the upstream still thinks") {
  RawServer server{[&](RawConnection& connection) {
    connection.read_request();
    server.pause(300ms);
    connection.write(ok_response("{}"));
    connection.read_request();
  }};
  Rig rig;
  const auto exchanged = rig.start(rig.request(rig.endpoint(server.url())));
  REQUIRE(rig.run_until([&] { return exchanged->transfer->fully_sent(); }, 200ms));
  CHECK_FALSE(exchanged->over());
  REQUIRE(rig.run_until([&] { return exchanged->over(); }));
}

TEST_CASE("two hundred streams at once all arrive") {
  RawServer server{[&](RawConnection& connection) {
    while (const auto request = connection.read_request()) {
      connection.write(chunked_head);
      for (int i = 0; i < 20; ++i) {
        connection.write(http_chunk("data: " + request->body + "\n\n"));
        server.pause(5ms);
      }
      connection.write("0\r\n\r\n");
    }
  }};
  Rig rig;
  const auto endpoint = rig.endpoint(server.url());
  std::vector<std::unique_ptr<Exchanged>> streams;
  for (int i = 0; i < 200; ++i)
    streams.push_back(rig.start(rig.request(endpoint, std::to_string(i))));
  CHECK(rig.upstream.active() == 200);
  REQUIRE(rig.run_until([&] { return rig.upstream.active() == 0; }, 60s));
  rig.run_for(10ms);
  for (int i = 0; i < 200; ++i) {
    const auto& stream = *streams[static_cast<std::size_t>(i)];
    REQUIRE(stream.error().empty());
    std::string expected;
    for (int n = 0; n < 20; ++n) expected += "data: " + std::to_string(i) + "\n\n";
    REQUIRE(stream.receiver.body == expected);
  }
}
