#include <catch2/catch.hpp>
#include <string>

#include "upstream/rig.hpp"

using namespace turnpike;
using namespace turnpike::test;

namespace {

struct Case {
  std::string name;
  std::string wire;  // written after the request was read, then the connection is closed
  std::string code;
};

// A port on which nobody listens.
std::uint16_t closed_port() {
  RawServer server{[](RawConnection&) {}};
  return server.port();
}

std::shared_ptr<Endpoint> with_timeouts(std::shared_ptr<Endpoint> endpoint, Timeouts timeouts) {
  endpoint->timeouts = timeouts;
  return endpoint;
}

}  // namespace

TEST_CASE("U7, U11, U12: responses that cannot be used or were cut have their code and allow another candidate", "[U7][U11][U12]") {
  const auto c = GENERATE(values<Case>({
      {"redirect",
       "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
       "bad_upstream"},
      {"switching protocols",
       "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
       "bad_upstream"},
      {"processing", "HTTP/1.1 102 Processing\r\n\r\n" + ok_response("{}"), "bad_upstream"},
      {"status 99", "HTTP/1.1 99 Odd\r\nContent-Length: 2\r\n\r\n{}", "bad_upstream"},
      {"status 999", "HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\n{}", "bad_upstream"},
      {"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", "bad_upstream"},
      {"one field of 400 KiB", "HTTP/1.1 200 OK\r\nx: " + std::string(400 * 1024, 'x') + "\r\n\r\n",
       "bad_upstream"},
      {"nul in a field", std::string("HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n{}", 29), "bad_upstream"},
      {"no answer", "", "upstream_closed"},
      {"half a head", "HTTP/1.1 200 OK\r\nContent-Ty", "upstream_closed"},
      {"short Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
       "upstream_closed"},
      {"truncated chunk", chunked_head + "20\r\ndata: 1\n\n", "upstream_closed"},
      {"missing last chunk", chunked_head + http_chunk("data: 1\n\n"), "upstream_closed"},
      {"chunk size that is none", chunked_head + "zz\r\ndata: 1\n\n", "upstream_closed"},
  }));
  INFO(c.name);
  RawServer server{[&](RawConnection& connection) {
    connection.read_request();
    connection.write(c.wire);
  }};
  Rig rig;
  const auto exchanged = rig.fetch(server.url());
  CHECK(exchanged->error() == c.code);
  CHECK(server.accepted() == 1);  // redirects are not followed, first connections not repeated
  const auto& error =
      exchanged->head->has_value() ? exchanged->receiver.end->error() : exchanged->head->error();
  CHECK(error.origin == Origin::upstream);
  CHECK(error.http_status == 502);
  CHECK(error.retry == Retry::next_candidate);
  CHECK(error.message.find("'example'") != std::string::npos);
  CHECK(error.message.find("canary") == std::string::npos);
  CHECK(rig.upstream.active() == 0);
}

TEST_CASE("U11: a hundred thousand headers are cut", "[U11]") {
  RawServer server{[&](RawConnection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 100'000; ++i) {
      if (!connection.write("x: y\r\n")) return;
    }
    connection.write("\r\n{}");
  }};
  Rig rig;
  CHECK(rig.fetch(server.url())->error() == "bad_upstream");
}

TEST_CASE("U7: a reset in mid-stream ends the stream after the bytes that came", "[U7]") {
  RawServer server{[&](RawConnection& connection) {
    connection.read_request();
    connection.write(chunked_head + http_chunk("data: 1\n\n"));
    server.pause(100ms);
    connection.reset();
  }};
  Rig rig;
  const auto exchanged = rig.fetch(server.url());
  REQUIRE(exchanged->head->has_value());
  CHECK(exchanged->receiver.body == "data: 1\n\n");
  CHECK(exchanged->error() == "upstream_closed");
}

TEST_CASE("U1: a refused connection is reported within 50 ms", "[U1]") {
  Rig rig;
  const auto begin = rig.clock.monotonic();
  const auto exchanged = rig.fetch("http://127.0.0.1:" + std::to_string(closed_port()));
  CHECK(rig.clock.monotonic() - begin < 50ms);
  CHECK(exchanged->error() == "connect_failed");
  CHECK(exchanged->head->error().message.find("Connection refused") != std::string::npos);
  CHECK_FALSE(exchanged->transfer->fully_sent());
}

TEST_CASE("U2: a host without an address is a DNS failure", "[U2]") {
  Rig rig;
  const auto exchanged = rig.fetch("http://no-such-host.invalid");
  CHECK(exchanged->error() == "dns_failed");
}

TEST_CASE("schemes other than http and https go nowhere") {
  Rig rig;
  CHECK(rig.fetch("file:///etc/passwd")->error() == "bad_upstream");
  CHECK(rig.fetch("gopher://127.0.0.1")->error() == "bad_upstream");
}

TEST_CASE("U4, U6, U18: silence before the head, silence in the answer and a trickle without end have a code each", "[U4][U6][U18]") {
  RawServer silent{[&](RawConnection& connection) {
    connection.read_request();
    silent.pause(10s);
  }};
  RawServer stalls{[&](RawConnection& connection) {
    connection.read_request();
    connection.write(chunked_head + http_chunk("data: 1\n\n"));
    stalls.pause(10s);
  }};
  RawServer trickles{[&](RawConnection& connection) {
    connection.read_request();
    connection.write(chunked_head);
    while (connection.write(http_chunk("."))) trickles.pause(20ms);
  }};
  const Timeouts generous;
  Rig rig;
  const auto begin = rig.clock.monotonic();
  SECTION("response head") {
    auto timeouts = generous;
    timeouts.response_head = 200ms;
    const auto exchanged =
        rig.fetch(rig.request(with_timeouts(rig.endpoint(silent.url()), timeouts)));
    CHECK(exchanged->error() == "timeout_response_head");
    CHECK(exchanged->head->error().http_status == 504);
    CHECK(exchanged->head->error().retry == Retry::next_candidate);
  }
  SECTION("idle") {
    auto timeouts = generous;
    timeouts.idle = 200ms;
    const auto exchanged =
        rig.fetch(rig.request(with_timeouts(rig.endpoint(stalls.url()), timeouts)));
    CHECK(exchanged->error() == "timeout_idle");
    CHECK(exchanged->receiver.body == "data: 1\n\n");
  }
  SECTION("total") {
    auto timeouts = generous;
    timeouts.total = 200ms;
    timeouts.idle = 100ms;
    const auto exchanged =
        rig.fetch(rig.request(with_timeouts(rig.endpoint(trickles.url()), timeouts)));
    CHECK(exchanged->error() == "timeout_total");
    CHECK(exchanged->receiver.end->error().retry == Retry::never);
  }
  SECTION("a call that does not stream may think as long as total allows") {
    auto timeouts = generous;
    timeouts.response_head = 50ms;
    timeouts.idle = 50ms;
    timeouts.total = 200ms;
    auto request = rig.request(with_timeouts(rig.endpoint(silent.url()), timeouts));
    request.stream = false;
    const auto exchanged = rig.fetch(std::move(request));
    CHECK(exchanged->error() == "timeout_total");
  }
  const auto took = rig.clock.monotonic() - begin;
  CHECK(took >= 200ms);
  CHECK(took < 400ms);
}

TEST_CASE("each of several calls keeps its own time-out while others come and go") {
  RawServer silent{[&](RawConnection& connection) {
    connection.read_request();
    silent.pause(10s);
  }};
  RawServer quick{[](RawConnection& connection) {
    while (connection.read_request()) connection.write(ok_response("{}"));
  }};
  Rig rig;
  Timeouts timeouts;
  timeouts.response_head = 300ms;
  const auto first = rig.start(rig.request(with_timeouts(rig.endpoint(silent.url()), timeouts)));
  CHECK(rig.fetch(quick.url())->error().empty());
  const auto second = rig.start(rig.request(with_timeouts(rig.endpoint(silent.url()), timeouts)));
  CHECK(rig.fetch(quick.url())->error().empty());
  REQUIRE(rig.run_until([&] { return first->over() && second->over(); }, 2s));
  CHECK(first->error() == "timeout_response_head");
  CHECK(second->error() == "timeout_response_head");
}

TEST_CASE("U3: a TLS handshake that stalls has a time-out of its own, and nothing was sent", "[U3]") {
  const TestCertificate certificate{"IP:127.0.0.1"};
  RawServer server{[&](RawConnection&) { server.pause(10s); }};
  Rig rig;
  Timeouts timeouts;
  timeouts.tls = 200ms;
  auto endpoint = rig.endpoint("https://127.0.0.1:" + std::to_string(server.port()));
  // A small trust store: reading the system's would be measured too, and is slow under a sanitizer.
  endpoint->ca_file = certificate.certificate_file();
  const auto begin = rig.clock.monotonic();
  const auto exchanged = rig.fetch(rig.request(with_timeouts(endpoint, timeouts)));
  CHECK(exchanged->error() == "timeout_tls");
  CHECK(exchanged->head->error().http_status == 504);
  CHECK_FALSE(exchanged->transfer->fully_sent());
  CHECK(rig.clock.monotonic() - begin < 1s);
}

TEST_CASE("U3: certificates are verified against the system's bundle or the endpoint's own file") {
  const TestCertificate for_this_host{"IP:127.0.0.1"};
  const TestCertificate for_another{"DNS:other.example"};
  std::atomic<int> requests = 0;
  const auto answer = [&](RawConnection& connection) {
    while (connection.read_request()) {
      ++requests;
      connection.write(ok_response("{}"));
    }
  };
  RawServer right{answer, &for_this_host};
  RawServer wrong{answer, &for_another};
  Rig rig;
  SECTION("self-signed is refused and sees no request") {
    const auto exchanged = rig.fetch(right.url());
    CHECK(exchanged->error() == "tls_failed");
    CHECK_FALSE(exchanged->transfer->fully_sent());
    CHECK(requests == 0);
  }
  SECTION("its own file makes it trusted, for this endpoint only") {
    auto endpoint = rig.endpoint(right.url());
    endpoint->ca_file = for_this_host.certificate_file();
    CHECK(rig.fetch(rig.request(endpoint))->error().empty());
    CHECK(rig.fetch(rig.request(endpoint))->receiver.body == "{}");
    CHECK(right.accepted() == 1);
    CHECK(rig.fetch(right.url())->error() ==
          "tls_failed");  // nor by way of the open connection or its session
    CHECK(requests == 2);
  }
  SECTION("the wrong host is refused though the certificate is trusted") {
    auto endpoint = rig.endpoint(wrong.url());
    endpoint->ca_file = for_another.certificate_file();
    CHECK(rig.fetch(rig.request(endpoint))->error() == "tls_failed");
    CHECK(requests == 0);
  }
  SECTION("a missing file fails closed") {
    auto endpoint = rig.endpoint(right.url());
    endpoint->ca_file = "/nonexistent/ca.pem";
    const auto exchanged = rig.fetch(rig.request(endpoint));
    CHECK(exchanged->error() == "tls_failed");
    CHECK(exchanged->head->error().message.find("CA cert") != std::string::npos);
    CHECK(requests == 0);
  }
  SECTION("plain text on a TLS port") {
    RawServer plain{
        [](RawConnection& connection) { connection.write("HTTP/1.1 400 Bad Request\r\n\r\n"); }};
    CHECK(rig.fetch("https://127.0.0.1:" + std::to_string(plain.port()))->error() == "tls_failed");
  }
}

TEST_CASE("U7: a TLS stream cut without a goodbye is not complete", "[U7]") {
  const TestCertificate certificate{"IP:127.0.0.1"};
  RawServer server{[](RawConnection& connection) {
                     connection.read_request();
                     connection.write(chunked_head + http_chunk("data: 1\n\n"));
                     connection.close(false);
                   },
                   &certificate};
  Rig rig;
  auto endpoint = rig.endpoint(server.url());
  endpoint->ca_file = certificate.certificate_file();
  const auto exchanged = rig.fetch(rig.request(endpoint));
  CHECK(exchanged->error() == "upstream_closed");
  CHECK(exchanged->receiver.body == "data: 1\n\n");
}

TEST_CASE("a header that would break the head is refused before anything is sent") {
  RawServer server{[](RawConnection& connection) { connection.read_request(); }};
  Rig rig;
  auto request = rig.request(rig.endpoint(server.url()));
  request.headers = {{"anthropic-beta", "a\r\nx-injected: 1"}};
  const auto exchanged = rig.fetch(std::move(request));
  CHECK(exchanged->error() == "bad_request_header");
  CHECK(server.accepted() == 0);
}
