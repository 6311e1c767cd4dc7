// A fault of the program in one request is that request's alone.
#include <catch2/catch.hpp>
#include <string>

#include "server/fixture.hpp"

using namespace turnpike;
using namespace turnpike::server;
using namespace turnpike::server::test;

namespace {

std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n"; }

}  // namespace

TEST_CASE("L12: an exception in a worker is a 500 for that request only", "[server][L12]") {
  Server server;  // one loop: all of them share the thread that throws
  Client streaming{server, 4096};
  streaming.send(get("/flood"));
  REQUIRE(eventually([&] { return server.seen.full > 0; }));
  Client waiting{server};
  waiting.send(get("/wait"));
  REQUIRE(eventually([&] { return server.seen.running == 2; }));

  Client client{server};
  for (int round = 0; round < 20; ++round) {
    client.send(get("/throw"));
    const auto failed = client.read_response();
    REQUIRE(failed.status == 500);
    CHECK(failed.body == "internal|/throw");
    client.send(get("/throw-on-head"));
    REQUIRE(client.read_response().status == 500);
    client.send(get("/echo"));  // the very connection goes on
    REQUIRE(client.read_response().status == 200);
    Client late{server};  // after the head has left, only a broken answer tells the truth
    late.send(get("/throw-late"));
    CHECK_FALSE(late.read_response().complete);
  }
  bool callback_threw = false;
  server.loop(0).post([&] {
    callback_threw = true;
    throw std::runtime_error("outside any request");
  });
  REQUIRE(eventually([&] { return callback_threw; }));

  CHECK(server.seen.running == 2);
  CHECK(server.seen.gone == 0);
  const auto flood = streaming.read_response();
  CHECK(flood.complete);
  CHECK(flood.body.size() == 16U << 20U);
  CHECK(ask(server, get("/echo")).status == 200);
}
