#include "server/event_loop.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <stdexcept>

#include "server/fixture.hpp"

using namespace turnpike;
using namespace turnpike::server;
using namespace turnpike::server::test;

TEST_CASE("hooks are called on every tick until removed, also by themselves", "[server][loop]") {
  const SystemClock clock;
  std::atomic<int> forever{0};
  std::atomic<int> twice{0};
  EventLoop loop{clock, 5ms};
  loop.on_tick([&](Monotonic) { ++forever; });
  std::uint64_t id = 0;
  id = loop.on_tick([&](Monotonic) {
    if (++twice == 2) loop.remove_tick(id);
  });
  loop.start();
  CHECK(eventually([&] { return forever >= 6; }));
  CHECK(twice == 2);
}

TEST_CASE("a loop tells when it last ticked", "[server][loop]") {
  const SystemClock clock;
  EventLoop loop{clock, 5ms};
  const auto begun = clock.monotonic();
  loop.start();
  CHECK(eventually([&] { return loop.last_tick() > begun; }));
}

TEST_CASE("a callback that throws does not stop its loop", "[server][loop]") {
  const SystemClock clock;
  std::atomic<bool> after{false};
  EventLoop loop{clock};
  loop.start();
  loop.post([] { throw std::runtime_error("callback failed"); });
  loop.post([&] { after = true; });
  CHECK(eventually([&] { return after.load(); }));
}

TEST_CASE("run_on runs at once where no thread can interfere, else on the loop", "[server][loop]") {
  const SystemClock clock;
  EventLoop loop{clock};
  bool at_once = false;
  loop.run_on([&] { at_once = true; });
  CHECK(at_once);
  std::atomic<bool> on_loop{false};
  loop.start();
  loop.run_on([&] { on_loop = loop.on_loop_thread(); });
  CHECK(eventually([&] { return on_loop.load(); }));
  CHECK_FALSE(loop.on_loop_thread());
}
