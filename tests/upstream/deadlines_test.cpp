#include "upstream/deadlines.hpp"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using turnpike::Monotonic;
using turnpike::Timeouts;
using turnpike::upstream::expired;
using turnpike::upstream::Expiry;
using turnpike::upstream::Milestones;

namespace {

const Monotonic start{1000s};
const Timeouts timeouts{.connect = 3s, .tls = 5s, .response_head = 60s, .idle = 30s, .total = 600s};

Milestones begun(bool stream) {
  Milestones milestones;
  milestones.started = start;
  milestones.stream = stream;
  milestones.begun = true;
  return milestones;
}

}  // namespace

TEST_CASE("the response head is waited for from the fully sent request, and only when streaming") {
  auto milestones = begun(true);
  CHECK_FALSE(expired(milestones, timeouts, start + 100s));
  milestones.fully_sent = start + 50s;
  CHECK_FALSE(expired(milestones, timeouts, start + 109s));
  CHECK(expired(milestones, timeouts, start + 110s) == Expiry::response_head);
  milestones.stream = false;
  CHECK_FALSE(expired(milestones, timeouts, start + 599s));
}

TEST_CASE(
    "idle counts from the last bytes after the head, not while we hold the transfer ourselves") {
  auto milestones = begun(GENERATE(true, false));
  milestones.fully_sent = start;
  milestones.head = start + 10s;
  CHECK_FALSE(expired(milestones, timeouts, start + 39s));
  CHECK(expired(milestones, timeouts, start + 40s) == Expiry::idle);
  milestones.last_activity = start + 20s;
  CHECK_FALSE(expired(milestones, timeouts, start + 49s));
  CHECK(expired(milestones, timeouts, start + 50s) == Expiry::idle);
  milestones.held = true;
  CHECK_FALSE(expired(milestones, timeouts, start + 500s));
}

TEST_CASE("the total limit holds in every state") {
  auto milestones = begun(GENERATE(true, false));
  milestones.held = GENERATE(true, false);
  CHECK_FALSE(expired(milestones, timeouts, start + 599s));
  CHECK(expired(milestones, timeouts, start + 600s) == Expiry::total);
}

TEST_CASE("connecting and the handshake have a limit each, and the second begins when the first has ended") {
  auto milestones = begun(GENERATE(true, false));
  milestones.begun = false;
  milestones.secure = true;
  CHECK_FALSE(expired(milestones, timeouts, start + 2999ms));
  CHECK(expired(milestones, timeouts, start + 3s) == Expiry::connect);
  milestones.connected = start + 2s;
  CHECK_FALSE(expired(milestones, timeouts, start + 6999ms));
  CHECK(expired(milestones, timeouts, start + 7s) == Expiry::tls);
  milestones.secure = false;  // connected, and the request not begun: still the way there
  CHECK(expired(milestones, timeouts, start + 3s) == Expiry::connect);
  milestones.begun = true;
  CHECK_FALSE(expired(milestones, timeouts, start + 20s));
}
