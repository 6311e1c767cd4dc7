// Name lookups that stall. The resolver is replaced for this program: "stalls.invalid" takes its
// time, all others go on to the real one.
#include <dlfcn.h>
#include <netdb.h>

#include <catch2/catch.hpp>
#include <string_view>
#include <thread>

#include "upstream/rig.hpp"

namespace {

constexpr std::chrono::milliseconds stall{700};
std::atomic<int> stalled = 0;

}  // namespace

extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints,
                           addrinfo** result) {
  using Resolver = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
  static const auto real = reinterpret_cast<Resolver>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  if (name != nullptr && std::string_view{name} == "stalls.invalid") {
    ++stalled;
    std::this_thread::sleep_for(stall);
    ++stalled;
    return EAI_AGAIN;
  }
  return real(name, service, hints, result);
}

using namespace turnpike;
using namespace turnpike::test;

TEST_CASE("U2: a stalled name lookup is bounded by the connect time-out and holds nobody else up", "[U2]") {
  RawServer server{[](RawConnection& connection) {
    while (connection.read_request()) connection.write(ok_response("{}"));
  }};
  stalled = 0;
  Rig rig;
  auto endpoint = rig.endpoint("http://stalls.invalid");
  endpoint->timeouts.connect = 200ms;
  const auto begin = rig.clock.monotonic();
  const auto waiting = rig.start(rig.request(endpoint));
  REQUIRE(rig.run_until([] { return stalled > 0; }, 1s));

  const auto other_begin = rig.clock.monotonic();
  CHECK(rig.fetch(server.url())->error().empty());
  CHECK(rig.clock.monotonic() - other_begin < 50ms);

  REQUIRE(rig.run_until([&] { return waiting->over(); }));
  CHECK(waiting->error() == "timeout_connect");
  CHECK(rig.clock.monotonic() - begin < 400ms);
  rig.run_until([] { return stalled == 2; },
                2s);  // the resolver's thread ends before the program does
}

TEST_CASE("a call that waits for a name is called off without waiting for the resolver") {
  stalled = 0;
  Rig rig;
  const auto waiting = rig.start(rig.request(rig.endpoint("http://stalls.invalid")));
  REQUIRE(rig.run_until([] { return stalled > 0; }, 1s));
  const auto begin = rig.clock.monotonic();
  waiting->transfer.reset();
  CHECK(rig.clock.monotonic() - begin < 50ms);
  CHECK(rig.upstream.active() == 0);
  rig.run_until([] { return stalled == 2; }, 2s);
}
