// Slow readers, scarce descriptors, idle connections: what they cost, and that it is told.
#include <catch2/catch.hpp>
#include <string>

#include "server/descriptors.hpp"
#include "server/fixture.hpp"

using namespace turnpike;
using namespace turnpike::server;
using namespace turnpike::server::test;

namespace {

const std::string get_echo = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string get_flood = "GET /flood HTTP/1.1\r\nHost: a\r\n\r\n";

}  // namespace

TEST_CASE("L2: a slow reader costs its buffer and 128 KiB unsent in the kernel, and counts as paused until it catches up",
          "[server][overload][L2]") {
  Server server;
  Client client{server, 4096};
  client.send(get_flood);
  REQUIRE(eventually([&] { return server.listener->figures().responses_paused == 1; }));
  std::this_thread::sleep_for(50ms);
  // One write of the handler is 64 KiB; what is on its way to the client comes on top.
  constexpr std::size_t kernel = 128 * 1024;
  const auto written = server.seen.written.load();
  CHECK(written <= ServerLimits{}.write_queue_bytes_max + kernel + 4 * 64 * 1024);
  CHECK(client.read_response().complete);
  CHECK(eventually([&] { return server.listener->figures().responses_paused == 0; }));
  CHECK(server.listener->figures().slow_readers_cut == 0);
}

TEST_CASE("a reader that is cut, and one that leaves while it is waited for, are paused no more",
          "[server][overload]") {
  Server server{quick_limits()};
  Client cut{server, 4096};
  cut.send(get_flood);
  CHECK(eventually([&] { return server.listener->figures().slow_readers_cut == 1; }));
  CHECK(eventually([&] { return server.listener->figures().responses_paused == 0; }));
  {
    Client leaving{server, 4096};
    leaving.send(get_flood);
    REQUIRE(eventually([&] { return server.listener->figures().responses_paused == 1; }));
    leaving.reset();
  }
  CHECK(eventually([&] { return server.listener->figures().responses_paused == 0; }));
  CHECK(server.listener->figures().slow_readers_cut == 1);
}

TEST_CASE("closing what is idle spares requests under way and heads half sent", "[server][overload]") {
  Server server;
  Client idle{server};
  idle.send(get_echo);
  CHECK(idle.read_response().status == 200);
  Client fresh{server};
  Client half{server};
  half.send("GET /echo HTTP/1.1\r\n");
  Client streaming{server, 4096};
  streaming.send(get_flood);
  REQUIRE(eventually([&] { return server.listener->figures().responses_paused == 1; }));
  std::this_thread::sleep_for(50ms);  // for the half head to have been read
  server.listener->close_idle();      // too early: a client that has just come is about to ask
  std::this_thread::sleep_for(1200ms);
  CHECK(server.listener->figures().idle_closed == 0);
  server.listener->close_idle();
  CHECK(idle.read_to_end().empty());
  CHECK(fresh.read_to_end().empty());
  CHECK(eventually([&] { return server.listener->figures().idle_closed == 2; }));
  half.send("Host: a\r\n\r\n");
  CHECK(half.read_response().status == 200);
  CHECK(streaming.read_response().complete);
}

TEST_CASE("L4: pauses of accepting are counted, and it does not spin", "[server][overload][L4]") {
  auto limits = quick_limits();
  limits.connections_max = 1;
  limits.idle_timeout = 60'000ms;
  Server server{limits};
  CHECK(server.listener->figures().connections_max == 1);
  Client first{server};
  first.send(get_echo);
  CHECK(first.read_response().status == 200);
  Client second{server};
  CHECK(eventually([&] { return server.listener->figures().accepts_paused >= 2; }));
  const auto begun = server.listener->figures().accepts_paused;
  std::this_thread::sleep_for(300ms);
  CHECK(server.listener->figures().accepts_paused - begun <= 7);  // one in 50 ms: it does not spin
  first.close();
  second.send(get_echo);
  CHECK(second.read_response().status == 200);
}

TEST_CASE("no more than half the descriptors are for clients", "[server][overload]") {
  CHECK(connection_bound(0, 1024) == 512);
  CHECK(connection_bound(100, 1024) == 100);
  CHECK(connection_bound(5000, 1024) == 512);
  CHECK(connection_bound(0, 10) == 8);
  CHECK(request_bound(512, 1024) == 448);
  CHECK(request_bound(8, 10) == 8);
  CHECK(descriptor_limit() > 0);
}
