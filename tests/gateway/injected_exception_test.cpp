#include <exception>
#include <stdexcept>

#include "gateway/bench.hpp"

using namespace turnpike;
using namespace turnpike::gateway;
using namespace turnpike::gateway::testing;

TEST_CASE("L12: an exception in a request reaches the server with nothing left reserved, and others go on", "[gateway][L12]") {
  Bench bench;
  const bool streaming = GENERATE(true, false);
  CAPTURE(streaming);
  // One that is under way meanwhile, held open after its first event.
  Script slow;
  slow.chunks = {chunk(R"({"role":"assistant","content":"He"})")};
  slow.hold_open = true;
  bench.upstream->expect(slow);
  RecordingSink other;
  bench.start(streamed, other);
  bench.run();
  const auto reserved_by_other = bench.figures().reserved;
  CHECK(reserved_by_other.nano() > 0);

  Script fault;
  fault.throws = true;
  bench.upstream->expect(fault);
  RecordingSink hit;
  ClientRequest request;
  request.head = bench.head();
  request.admission = *bench.gateway->on_head(request.head);
  request.body = streaming ? streamed : whole;
  request.body.reserve(request.body.size() + 64);
  request.received = bench.clock.monotonic();
  // Bench::start would swallow what is thrown.
  asio::co_spawn(bench.loop, bench.gateway->handle(std::move(request), hit), [](const std::exception_ptr& thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  CHECK_THROWS_AS(bench.run(), std::runtime_error);  // the server answers 500 to it
  CHECK_FALSE(hit.began);
  CHECK_FALSE(hit.replied);
  bench.run();
  CHECK(bench.figures().reserved == reserved_by_other);
  CHECK(bench.figures().attempts_open == 1);
  CHECK_FALSE(other.finished);

  bench.upstream->expect(good_stream());
  CHECK(bench.ask(streamed).finished);
  CHECK(bench.figures().reserved == reserved_by_other);
  bench.gateway->end_all();
  bench.run();
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.figures().reserved.nano() == 0);
}
