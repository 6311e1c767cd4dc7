// Keep-alive, the one permitted repetition, and what must not come from the process's surroundings.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "upstream/rig.hpp"

using namespace turnpike;
using namespace turnpike::test;

namespace {

const std::string keylog_file =
    (std::filesystem::temp_directory_path() / ("turnpike-keylog-" + std::to_string(::getpid())))
        .string();

// Set before libcurl is initialised, as if the operator's shell had exported them.
const bool surroundings_set = [] {
  for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"}) {
    ::setenv(name, "http://127.0.0.1:9", 1);
  }
  ::setenv("SSLKEYLOGFILE", keylog_file.c_str(), 1);
  return true;
}();

}  // namespace

TEST_CASE("sequential calls share one connection, plain and TLS") {
  const TestCertificate certificate{"IP:127.0.0.1"};
  const bool tls = GENERATE(false, true);
  RawServer server{[](RawConnection& connection) {
                     while (connection.read_request()) connection.write(ok_response("{}"));
                   },
                   tls ? &certificate : nullptr};
  Rig rig;
  auto endpoint = rig.endpoint(server.url());
  endpoint->ca_file = certificate.certificate_file();
  for (int i = 0; i < 50; ++i) REQUIRE(rig.fetch(rig.request(endpoint))->error().empty());
  CHECK(server.accepted() == 1);
}

// One after the other: of connections made at the same time only some resume
// (docs/decisions/0003-libcurl.md).
TEST_CASE("a new TLS connection resumes the session of an earlier one, whichever handle made it") {
  const TestCertificate certificate{"IP:127.0.0.1"};
  std::atomic<int> resumed = 0;
  RawServer server{[&](RawConnection& connection) {
                     if (!connection.read_request()) return;
                     if (connection.resumed()) ++resumed;
                     connection.write(ok_response("{}", "Connection: close\r\n"));
                   },
                   &certificate};
  std::atomic<int> waiting = 0;
  RawServer silent{[&](RawConnection& connection) {
    if (connection.read_request()) ++waiting;
    connection.closed_within(20s);
  }};
  Rig rig;
  auto endpoint = rig.endpoint(server.url());
  endpoint->ca_file = certificate.certificate_file();
  auto same_domain = rig.endpoint(silent.url());
  same_domain->ca_file = endpoint->ca_file;
  CHECK(rig.fetch(rig.request(endpoint))->error().empty());
  CHECK(resumed == 0);
  std::vector<std::unique_ptr<Exchanged>> holders;
  for (int i = 1; i <= 5; ++i) {
    // Takes the one pooled handle, so that the next call needs one that has never made a
    // connection.
    holders.push_back(rig.start(rig.request(same_domain)));
    REQUIRE(rig.run_until([&] { return waiting == i; }));
    CHECK(rig.fetch(rig.request(endpoint))->error().empty());
    CHECK(resumed == i);
  }
}

TEST_CASE("connections of a burst stay open for the next burst") {
  constexpr int calls_per_burst = 100;
  std::atomic<int> requests = 0;
  // All calls of a burst are open at once, then they end one after the other.
  RawServer server{[&](RawConnection& connection) {
    for (int burst = 1; connection.read_request(); ++burst) {
      ++requests;
      while (requests < burst * calls_per_burst && !server.stopping()) server.pause(1ms);
      server.pause(std::chrono::milliseconds{connection.number()});
      connection.write(ok_response("{}"));
    }
  }};
  Rig rig;
  const auto endpoint = rig.endpoint(server.url());
  for (int burst = 0; burst < 3; ++burst) {
    std::vector<std::unique_ptr<Exchanged>> calls;
    for (int i = 0; i < calls_per_burst; ++i) calls.push_back(rig.start(rig.request(endpoint)));
    REQUIRE(rig.run_until([&] { return rig.upstream.active() == 0; }));
    rig.run_for(5ms);
    for (const auto& call : calls) REQUIRE(call->error().empty());
    REQUIRE(server.accepted() == calls_per_burst);
  }
}

TEST_CASE("U19: a kept connection that dies as a request is sent is told as that, and libcurl repeats nothing", "[U19]") {
  // The upstream waits for the first byte of the second request on a connection and then closes it
  // unread: RST or FIN.
  const bool reset = GENERATE(true, false);
  const std::size_t body_bytes = GENERATE(20U, 200'000U);
  INFO((reset ? "RST, " : "FIN, ") << body_bytes << " bytes");
  std::atomic<int> answered = 0;
  RawServer server{[&](RawConnection& connection) {
    if (!connection.read_request()) return;
    ++answered;
    connection.write(ok_response("{}"));
    if (!connection.wait_readable()) return;
    if (reset) connection.reset();
  }};
  Rig rig;
  const auto endpoint = rig.endpoint(server.url());
  const int rounds = 250;  // four ways: a thousand
  for (int i = 0; i < rounds; ++i) {
    INFO("round " << i);
    auto again = rig.request(endpoint, std::string(body_bytes, 'x'));
    again.fresh_connection = i > 0;
    REQUIRE(rig.fetch(std::move(again))->error().empty());
    const auto died = rig.fetch(rig.request(endpoint, std::string(body_bytes, 'x')));
    REQUIRE(died->error() == "kept_connection_closed");
    REQUIRE(died->head->error().retry == Retry::next_candidate);
  }
  CHECK(answered == rounds);
  CHECK(server.accepted() == rounds);
}

TEST_CASE("a fresh connection is a new one though several kept ones are dying, and libcurl reads no second answer", "[U19]") {
  std::atomic<bool> dying = false;
  std::atomic<int> seen_dying = 0;
  RawServer server{[&](RawConnection& connection) {
    while (connection.read_request()) {
      if (dying && connection.number() < 8) {
        ++seen_dying;
        return;  // read whole, closed without an answer
      }
      connection.write(ok_response("{}"));
    }
  }};
  Rig rig;
  const auto endpoint = rig.endpoint(server.url());
  std::vector<std::unique_ptr<Exchanged>> calls;
  for (int i = 0; i < 8; ++i) calls.push_back(rig.start(rig.request(endpoint)));
  REQUIRE(rig.run_until([&] { return rig.upstream.active() == 0; }));
  REQUIRE(server.accepted() == 8);
  dying = true;
  CHECK(rig.fetch(rig.request(endpoint))->error() == "kept_connection_closed");
  CHECK(seen_dying == 1);
  CHECK(server.accepted() == 8);
  auto again = rig.request(endpoint);
  again.fresh_connection = true;
  CHECK(rig.fetch(std::move(again))->error().empty());
  CHECK(seen_dying == 1);
  CHECK(server.accepted() == 9);
}

TEST_CASE("a new connection that dies before an answer is no kept one") {
  RawServer server{[](RawConnection& connection) { connection.read_request(); }};
  Rig rig;
  CHECK(rig.fetch(server.url())->error() == "upstream_closed");
  CHECK(rig.fetch(server.url())->error() == "upstream_closed");
}

TEST_CASE("a kept connection that was closed long ago is not used") {
  RawServer server{[](RawConnection& connection) {
    if (connection.read_request()) connection.write(ok_response("{}"));
  }};
  Rig rig;
  const auto endpoint = rig.endpoint(server.url());
  for (int i = 0; i < 3; ++i) {
    CHECK(rig.fetch(rig.request(endpoint))->error().empty());
    rig.run_for(20ms);
  }
  CHECK(server.accepted() == 3);
}

TEST_CASE("proxies and TLS key logs of the environment are ignored") {
  REQUIRE(surroundings_set);
  const TestCertificate certificate{"IP:127.0.0.1"};
  const bool tls = GENERATE(false, true);
  RawServer server{[](RawConnection& connection) {
                     while (connection.read_request()) connection.write(ok_response("{}"));
                   },
                   tls ? &certificate : nullptr};
  Rig rig;
  auto endpoint = rig.endpoint(server.url());
  endpoint->ca_file = certificate.certificate_file();
  CHECK(rig.fetch(rig.request(endpoint))->error().empty());
  CHECK(server.accepted() == 1);
  std::ifstream keylog{keylog_file};
  const std::string keys{std::istreambuf_iterator<char>{keylog}, {}};
  CHECK(keys.empty());
  std::filesystem::remove(keylog_file);
}

TEST_CASE("pools that nobody has used for two minutes are closed") {
  std::atomic<int> open = 0;
  RawServer server{[&](RawConnection& connection) {
    ++open;
    while (connection.read_request()) connection.write(ok_response("{}"));
    --open;
  }};
  Rig rig;
  CHECK(rig.fetch(server.url())->error().empty());
  rig.upstream.on_tick(rig.clock.monotonic() + 60s);
  rig.run_for(20ms);
  CHECK(open == 1);
  rig.upstream.on_tick(rig.clock.monotonic() + 121s);
  CHECK(rig.run_until([&] { return open == 0; }, 1s));
  CHECK(rig.fetch(server.url())->error().empty());
}
