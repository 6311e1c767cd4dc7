// Streamed responses: framing, a client that leaves, a client that is slow.
#include <catch2/catch.hpp>
#include <string>

#include "server/fixture.hpp"

using namespace turnpike;
using namespace turnpike::server;
using namespace turnpike::server::test;

namespace {

const std::string http_1_1 = " HTTP/1.1\r\nHost: a\r\n\r\n";

}  // namespace

TEST_CASE("a stream is one HTTP chunk for each write and ends with the last chunk",
          "[server][streams]") {
  Server server;
  Client client{server};
  client.send("GET /stream?3" + http_1_1);
  const auto response = client.read_response();
  CHECK(response.status == 200);
  CHECK(response.complete);
  CHECK(response.chunks == 3);
  CHECK(response.body == "data: 0\n\ndata: 1\n\ndata: 2\n\n");
  CHECK(response.has("content-type: text/event-stream\r\n"));
  CHECK(response.has("x-kind: stream\r\n"));
  CHECK_FALSE(response.has("content-length"));
  client.send("GET /stream?0" + http_1_1);
  const auto empty = client.read_response();
  CHECK(empty.complete);
  CHECK(empty.body.empty());
  client.send("GET /echo" + http_1_1);
  CHECK(client.read_response().status == 200);
}

TEST_CASE("the last bytes of a stream bring its end with them", "[server][streams]") {
  Server server;
  Client client{server};
  client.send("GET /last" + http_1_1);
  const auto response = client.read_response();
  CHECK(response.complete);
  CHECK(response.chunks == 2);
  CHECK(response.body == "part and last");
  client.send("GET /only?all" + http_1_1);
  const auto whole = client.read_response();
  CHECK(whole.complete);
  CHECK(whole.chunks == 1);
  CHECK(whole.body == "all");
  client.send("GET /only" + http_1_1);
  const auto empty = client.read_response();
  CHECK(empty.complete);
  CHECK(empty.body.empty());
  client.send("GET /last HTTP/1.0\r\n\r\n");
  const auto old = client.read_response();
  CHECK(old.complete);
  CHECK(old.body == "part and last");
}

TEST_CASE("a stream to HTTP/1.0 is not chunked and ends with the connection", "[server][streams]") {
  Server server;
  Client client{server};
  client.send("GET /stream?2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const auto response = client.read_response();
  CHECK_FALSE(response.has("transfer-encoding"));
  CHECK(response.has("connection: close"));
  CHECK(response.body == "data: 0\n\ndata: 1\n\n");
  CHECK(response.complete);
}

TEST_CASE("abort leaves the client with a broken stream, never with a tidy end",
          "[server][streams]") {
  Server server;
  for (const std::string version : {" HTTP/1.1", " HTTP/1.0"}) {
    for (const std::string path : {"/abort", "/half", "/throw-late"}) {
      INFO(path + version);
      Client client{server};
      client.send("GET " + path + version + "\r\nHost: a\r\n\r\n");
      const auto response = client.read_response();
      CHECK_FALSE(response.complete);
      CHECK(client.closed);
      CHECK(client.reset_seen);
      CHECK(response.body.find("0\r\n") == std::string::npos);
    }
  }
}

TEST_CASE("a begun response of which nothing was sent may still become another",
          "[server][streams]") {
  Server server;
  Client client{server};
  client.send("GET /begin-then-reply" + http_1_1);
  const auto response = client.read_response();
  CHECK(response.status == 503);
  CHECK(response.body == "changed my mind");
}

TEST_CASE("a client that closes or resets while it is answered is noticed at once",
          "[server][streams]") {
  Server server;
  for (int round = 0; round < 50; ++round) {
    Client client{server};
    client.send("GET /wait" + http_1_1);
    REQUIRE(eventually([&] { return server.seen.running == 1; }));
    if (round % 3 == 0) client.close();
    if (round % 3 == 1) client.reset();
    if (round % 3 == 2) client.half_close();
    REQUIRE(eventually([&] { return server.seen.gone == round + 1 && server.seen.running == 0; },
                       1000ms));
  }
  CHECK(eventually([&] { return server.listener->idle(); }));
}

TEST_CASE("a client that leaves is noticed although it sent more requests ahead",
          "[server][streams]") {
  Server server;
  Client client{server};
  client.send("GET /wait" + http_1_1 + "GET /echo" + http_1_1);
  REQUIRE(eventually([&] { return server.seen.running == 1; }));
  client.close();
  CHECK(eventually([&] { return server.seen.gone == 1 && server.seen.running == 0; }));
  CHECK(server.seen.handled == 1);
}

TEST_CASE("a client that leaves after the last byte has not left its response",
          "[server][streams]") {
  Server server;
  for (int round = 0; round < 50; ++round) {
    Client client{server};
    client.send("GET /stream?5" + http_1_1);
    CHECK(client.read_response().complete);
  }
  CHECK(eventually([&] { return server.listener->idle(); }));
  CHECK(server.seen.gone == 0);
}

TEST_CASE("a slow reader fills the queue, pauses the writer, and gets every byte in the end",
          "[server][streams]") {
  Server server;
  Client client{server, 4096};
  client.send("GET /flood" + http_1_1);
  REQUIRE(eventually([&] { return server.seen.full >= 1; }));
  std::this_thread::sleep_for(50ms);
  CHECK(server.seen.written <
        8 * 1024 * 1024);  // the writer waits: socket buffers and 256 KiB are all it got rid of
  const auto response = client.read_response();
  CHECK(response.complete);
  CHECK(response.body.size() == 16 * 1024 * 1024);
  CHECK(response.body.find_first_not_of('f') == std::string::npos);
  CHECK(server.seen.drained >= server.seen.full);
}

TEST_CASE("a reader that takes nothing is cut after the time-out, as a client that left",
          "[server][streams]") {
  Server server{quick_limits()};
  Client client{server, 4096};
  client.send("GET /flood" + http_1_1);
  REQUIRE(eventually([&] { return server.seen.full >= 1; }));
  CHECK(eventually([&] { return server.seen.gone == 1; }, 3000ms));
  CHECK(eventually([&] { return server.listener->idle(); }));
}

TEST_CASE("a whole reply larger than the socket's buffer arrives whole", "[server][streams]") {
  Server server;
  Client client{server, 4096};
  client.send("GET /big" + http_1_1 + "GET /echo?next" + http_1_1);
  const auto response = client.read_response();
  CHECK(response.complete);
  CHECK(response.body.size() == 8 * 1024 * 1024);
  CHECK(client.read_response().body == "GET /echo?next ");
}
