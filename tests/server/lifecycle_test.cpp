// Time-outs, draining, limits, and the spreading of connections over loops.
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <string>

#include "server/fixture.hpp"

using namespace turnpike;
using namespace turnpike::server;
using namespace turnpike::server::test;

namespace {

const std::string get_echo = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string get_wait = "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n";

std::chrono::milliseconds time_to_close(Client& client) {
  const SystemClock clock;
  const auto begun = clock.monotonic();
  client.read_to_end();
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock.monotonic() - begun);
}

}  // namespace

TEST_CASE("a head that does not arrive in time is answered 408 and closed", "[server][lifecycle]") {
  Server server{quick_limits()};
  Client client{server};
  client.send("GET /echo HTTP/1.1\r\n");
  const auto response = client.read_response();
  CHECK(response.status == 408);
  CHECK(time_to_close(client) < 1000ms);
  CHECK(client.closed);
  CHECK(server.seen.heads == 0);
}

TEST_CASE("dripping a head does not extend its time", "[server][lifecycle][H10]") {
  Server server{quick_limits()};
  Client client{server};
  std::thread dripping{[&] {
    for (int i = 0; i < 20; ++i) {
      client.send(i == 0 ? "GET /" : "x");
      std::this_thread::sleep_for(50ms);
    }
  }};
  CHECK(client.read_response().status == 408);
  dripping.join();
}

TEST_CASE("an idle connection is closed without a word", "[server][lifecycle]") {
  Server server{quick_limits()};
  Client fresh{server};
  Client used{server};
  used.send(get_echo);
  CHECK(used.read_response().status == 200);
  CHECK(fresh.read_to_end().empty());
  CHECK(used.read_to_end().empty());
  CHECK(fresh.closed);
  CHECK(used.closed);
}

TEST_CASE("a body slower than the least rate is answered 408 and reaches no handler",
          "[server][lifecycle][H11]") {
  Server server{quick_limits()};
  for (const std::string framing : {"Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n"}) {
    Client client{server};
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\n" + framing + "\r\n1");
    const auto response = client.read_response();
    CHECK(response.status == 408);
    CHECK(response.body == "request_timeout|/echo");
    client.read_to_end();
    CHECK(client.closed);
  }
  CHECK(server.seen.handled == 0);
}

TEST_CASE("a body that keeps the rate may take its time", "[server][lifecycle]") {
  Server server{quick_limits()};
  Client client{server};
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    client.send(std::string(1000, 'x'));
    std::this_thread::sleep_for(70ms);
  }
  CHECK(client.read_response().status == 200);
}

TEST_CASE("no body may take longer than its limit", "[server][lifecycle]") {
  auto limits = quick_limits();
  limits.body_timeout = 400ms;
  limits.body_bytes_per_second_min = 1;
  Server server{limits};
  Client client{server};
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nsome bytes already");
  CHECK(client.read_response().status == 408);
}

TEST_CASE("draining: responses say close, idle connections end, running requests finish",
          "[server][lifecycle]") {
  Server server{quick_limits(), 2};
  Client idle{server};
  idle.send(get_echo);
  CHECK_FALSE(idle.read_response().has("connection: close"));
  Client busy{server};
  busy.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo");
  REQUIRE(eventually([&] { return server.seen.heads == 2; }));

  server.listener->stop_accepting();
  server.listener->drain();
  CHECK(idle.read_to_end().empty());
  CHECK(idle.closed);
  busy.send("dy");
  const auto response = busy.read_response();
  CHECK(response.status == 200);
  CHECK(response.has("connection: close"));
  busy.read_to_end();
  busy.close();
  CHECK(eventually([&] { return server.listener->idle(); }));
}

TEST_CASE("while accepting is held connections wait, and a drain that is taken back serves them",
          "[server][lifecycle]") {
  Server server{quick_limits(), 2};
  server.listener->drain();
  server.listener->hold_accepting();
  std::this_thread::sleep_for(100ms);  // it is posted to the loop, and takes who waits by then
  Client waiting{server};
  waiting.send(get_echo);
  std::this_thread::sleep_for(100ms);
  CHECK(server.seen.heads == 0);
  CHECK(server.listener->open_connections() == 0);

  server.listener->resume();
  const auto response = waiting.read_response();
  CHECK(response.status == 200);
  CHECK_FALSE(response.has("connection: close"));
  Client later{server};
  later.send(get_echo);
  CHECK(later.read_response().status == 200);
}

TEST_CASE("open requests are counted until their handler ends", "[server][lifecycle]") {
  Server server;
  Client first{server};
  first.send(get_wait);
  Client second{server};
  second.send(get_wait);
  CHECK(eventually([&] { return server.listener->open_requests() == 2; }));
  CHECK(server.listener->open_connections() == 2);
  CHECK(server.loop(0).open_streams() == 2);
  first.close();
  CHECK(eventually([&] { return server.listener->open_requests() == 1; }));
  server.listener->close_all();
  CHECK(eventually([&] { return server.listener->idle(); }));
  CHECK(server.seen.gone == 2);
  CHECK(server.seen.finished == 2);
  CHECK(server.loop(0).open_streams() == 0);
}

TEST_CASE("connections go to the loop with the fewest open streams", "[server][lifecycle]") {
  Server server{ServerLimits{}, 2};
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<Client>(server));
    clients.back()->send(get_wait);
    REQUIRE(eventually([&] { return server.seen.running == i + 1; }));
  }
  CHECK(server.loop(0).open_streams() == 4);
  CHECK(server.loop(1).open_streams() == 4);
  for (const auto& client : clients) client->close();
  CHECK(eventually([&] { return server.listener->idle(); }));
}

TEST_CASE("a burst of connections that are still silent is spread as well", "[server][lifecycle]") {
  Server server{ServerLimits{}, 2};
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 16; ++i) clients.push_back(std::make_unique<Client>(server));
  REQUIRE(eventually([&] { return server.listener->open_connections() == 16; }));
  for (const auto& client : clients) client->send(get_wait);
  REQUIRE(eventually([&] { return server.seen.running == 16; }));
  CHECK(server.loop(0).open_streams() == 8);
  for (const auto& client : clients) client->close();
}

TEST_CASE("above the connection limit clients wait until others leave", "[server][lifecycle]") {
  auto limits = quick_limits();
  limits.connections_max = 2;
  limits.idle_timeout = 60'000ms;
  Server server{limits};
  Client first{server};
  Client second{server};
  for (auto* client : {&first, &second}) {
    client->send(get_echo);
    CHECK(client->read_response().status == 200);
  }
  Client third{server};
  third.send(get_echo);
  CHECK_FALSE(third.read_more(200ms));
  CHECK(third.timed_out);
  first.close();
  CHECK(third.read_response().status == 200);
}

TEST_CASE("running out of descriptors pauses accepting and harms nobody", "[server][lifecycle]") {
  Server server;
  Client before{server};
  before.send(get_echo);
  CHECK(before.read_response().status == 200);

  rlimit old_limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &old_limit) == 0);
  const int lowest_free = ::dup(0);
  REQUIRE(lowest_free >= 0);
  ::close(lowest_free);
  const rlimit tight{static_cast<rlim_t>(lowest_free) + 1, old_limit.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
  Client waiting{server};  // takes the last free descriptor; none is left for the server's end
  waiting.send(get_echo);
  CHECK_FALSE(waiting.read_more(200ms));
  CHECK(waiting.timed_out);
  before.send(get_echo);
  CHECK(before.read_response().status == 200);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &old_limit) == 0);
  CHECK(waiting.read_response().status == 200);
}

TEST_CASE("an inherited socket is served like an own one", "[server][lifecycle]") {
  const SystemClock clock;
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(socket, 8) == 0);
  Seen seen;
  PathHandler handler{seen};
  EventLoop loop{clock};
  auto listener = Listener::adopt(socket, {LoopBinding{loop, handler}}, {}, clock);
  REQUIRE(listener.has_value());
  CHECK((*listener)->port() != 0);
  CHECK_FALSE(Listener::adopt(::dup(0), {LoopBinding{loop, handler}}, {}, clock).has_value());
}

TEST_CASE("an address in use and an address that is none are told apart in words",
          "[server][lifecycle]") {
  Server server;
  const SystemClock clock;
  Seen seen;
  PathHandler handler{seen};
  EventLoop loop{clock};
  const auto taken =
      Listener::open("127.0.0.1", server.listener->port(), {LoopBinding{loop, handler}}, {}, clock);
  REQUIRE_FALSE(taken.has_value());
  CHECK(taken.error().message.find("Address already in use") != std::string::npos);
  const auto named = Listener::open("localhost", 0, {LoopBinding{loop, handler}}, {}, clock);
  REQUIRE_FALSE(named.has_value());
  CHECK(named.error().message.find("not a numeric") != std::string::npos);
}
