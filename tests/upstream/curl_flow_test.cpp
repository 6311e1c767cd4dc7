#include <malloc.h>

#include <catch2/catch.hpp>
#include <string>

#include "upstream/rig.hpp"

using namespace turnpike;
using namespace turnpike::test;

namespace {

// Writes `bytes` of a stream in chunks of 16 KiB; each chunk's letter depends on its place.
void write_long(RawConnection& connection, std::size_t bytes) {
  connection.write(chunked_head);
  for (std::size_t sent = 0; sent < bytes; sent += 16384) {
    const char letter = static_cast<char>('a' + (sent / 16384) % 26);
    if (!connection.write(http_chunk(std::string(16384, letter)))) return;
  }
  connection.write("0\r\n\r\n");
}

bool is_long_body(std::string_view body, std::size_t bytes) {
  if (body.size() != bytes) return false;
  for (std::size_t i = 0; i < bytes; ++i) {
    if (body[i] != static_cast<char>('a' + (i / 16384) % 26)) return false;
  }
  return true;
}

std::size_t heap_in_use() { return mallinfo2().uordblks + mallinfo2().hblkhd; }

constexpr std::size_t long_bytes = 32 << 20;

}  // namespace

TEST_CASE("a slow reader gets all of 32 MiB while the upstream waits") {
  const TestCertificate certificate{"IP:127.0.0.1"};
  const bool tls = GENERATE(false, true);
  std::atomic<bool> written = false;
  RawServer server{[&](RawConnection& connection) {
                     connection.read_request();
                     write_long(connection, long_bytes);
                     written = true;
                     connection.read_request();
                   },
                   tls ? &certificate : nullptr};
  Rig rig;
  auto endpoint = rig.endpoint(server.url());
  endpoint->ca_file = certificate.certificate_file();
  const auto exchanged = rig.start(rig.request(endpoint));
  exchanged->receiver.body.reserve(long_bytes);
  const auto heap_before = heap_in_use();
  std::size_t heap_peak = heap_before;
  bool paused = false;
  exchanged->receiver.hook = [&] {
    paused = true;
    heap_peak = std::max(heap_peak, heap_in_use());
    return Flow::pause;
  };
  REQUIRE(rig.run_until([&] { return paused; }));
  rig.run_for(300ms);
  const auto received = exchanged->receiver.body.size();
  CHECK(received <= 256 * 1024);
  CHECK_FALSE(written);  // the pause reaches the upstream
  rig.run_for(100ms);
  CHECK(exchanged->receiver.body.size() == received);

  while (!exchanged->over()) {
    paused = false;
    exchanged->transfer->resume();
    REQUIRE(rig.run_until([&] { return paused || exchanged->over(); }));
  }
  CHECK(exchanged->error().empty());
  CHECK(is_long_body(exchanged->receiver.body, long_bytes));
  CHECK(exchanged->receiver.largest <= 256 * 1024);
  CHECK(heap_peak - heap_before < 1 << 20);
}

TEST_CASE("a body nobody receives yet is held back, then delivered") {
  std::atomic<bool> written = false;
  RawServer server{[&](RawConnection& connection) {
    connection.read_request();
    write_long(connection, long_bytes);
    written = true;
    connection.read_request();
  }};
  Rig rig;
  Exchanged exchanged;
  exchanged.transfer = rig.upstream.send(rig.request(rig.endpoint(server.url())));
  rig.run_for(300ms);
  CHECK_FALSE(written);
  asio::co_spawn(rig.loop, drive(exchanged), asio::detached);
  REQUIRE(rig.run_until([&] { return exchanged.over(); }));
  CHECK(exchanged.error().empty());
  CHECK(is_long_body(exchanged.receiver.body, long_bytes));
}

TEST_CASE("pausing at random loses and repeats nothing, gzip included") {
  // 4 MiB of a repeated line as gzip would need zlib here; stored deflate blocks do without.
  const bool gzip = GENERATE(false, true);
  std::string plain;
  for (int i = 0; plain.size() < (1 << 20); ++i) plain += "data: " + std::to_string(i) + "\n\n";
  plain.resize(1 << 20);
  std::string wire = plain;
  if (gzip) {
    wire = std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03", 10);
    std::uint32_t crc = 0xffffffff;
    for (const char c : plain) {
      crc ^= static_cast<unsigned char>(c);
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xedb88320U : 0U);
    }
    crc = ~crc;
    for (std::size_t at = 0; at < plain.size(); at += 32768) {
      wire += at + 32768 == plain.size() ? '\1' : '\0';
      wire += std::string("\x00\x80\xff\x7f", 4);
      wire += plain.substr(at, 32768);
    }
    const auto put = [&wire](std::uint32_t value) {
      for (int i = 0; i < 4; ++i) wire += static_cast<char>((value >> (8 * i)) & 0xff);
    };
    put(crc);
    put(static_cast<std::uint32_t>(plain.size()));
  }
  RawServer server{[&](RawConnection& connection) {
    connection.read_request();
    connection.write(ok_response(wire, gzip ? "Content-Encoding: gzip\r\n" : ""));
    connection.read_request();
  }};
  Rig rig;
  const auto exchanged = rig.start(rig.request(rig.endpoint(server.url())));
  int wake = 0;
  bool paused = false;
  exchanged->receiver.hook = [&] {
    paused = ++wake % 3 != 0;
    return paused ? Flow::pause : Flow::proceed;
  };
  while (!exchanged->over()) {
    REQUIRE(rig.run_until([&] { return paused || exchanged->over(); }));
    if (std::exchange(paused, false)) exchanged->transfer->resume();
  }
  CHECK(exchanged->error().empty());
  CHECK(exchanged->receiver.body == plain);
}

TEST_CASE("calling off closes the upstream's connection within 100 ms, in every phase") {
  const std::string phase = GENERATE("head", "body", "paused", "sending");
  const bool by_destruction = GENERATE(false, true);
  INFO(phase << (by_destruction ? ", destroyed" : ", cancelled"));
  std::atomic<bool> closed = false;
  std::atomic<bool> reached = false;
  RawServer server{[&](RawConnection& connection) {
    if (phase == "sending") {
      reached = true;
      server.pause(50ms);
      closed = connection.closed_within(5s);
      return;
    }
    connection.read_request();
    if (phase != "head") connection.write(chunked_head + http_chunk("data: 1\n\n"));
    reached = true;
    closed = connection.closed_within(5s);
  }};
  Rig rig;
  const std::size_t body_bytes = phase == "sending" ? 32 << 20 : 10;
  const auto exchanged =
      rig.start(rig.request(rig.endpoint(server.url()), std::string(body_bytes, 'x')));
  if (phase == "paused") exchanged->receiver.hook = [] { return Flow::pause; };
  REQUIRE(rig.run_until([&] { return reached.load(); }));
  rig.run_for(50ms);
  const auto begin = rig.clock.monotonic();
  if (by_destruction) {
    exchanged->transfer.reset();
  } else {
    exchanged->transfer->cancel();
    CHECK_FALSE(exchanged->over());  // told from the loop, not from inside
    REQUIRE(rig.run_until([&] { return exchanged->over(); }));
    CHECK(exchanged->error() == "cancelled");
  }
  REQUIRE(rig.run_until([&] { return closed.load(); }, 2s));
  CHECK(rig.clock.monotonic() - begin < 100ms);
  CHECK(rig.upstream.active() == 0);
}

TEST_CASE("calling off while the connection is being made tells so and goes on") {
  Rig rig;
  const std::string url = GENERATE("http://no-such-host.invalid", "http://127.0.0.1:1");
  const auto exchanged = rig.start(rig.request(rig.endpoint(url)));
  exchanged->transfer->cancel();
  exchanged->transfer->cancel();
  REQUIRE(rig.run_until([&] { return exchanged->over(); }));
  CHECK(exchanged->error() == "cancelled");
}

TEST_CASE("a transfer may be destroyed before anybody waits for its head") {
  RawServer server{[](RawConnection& connection) { connection.read_request(); }};
  Rig rig;
  const auto exchanged = rig.start(rig.request(rig.endpoint(server.url())));
  exchanged->transfer.reset();  // the coroutine of start() has not run yet
  rig.run_for(20ms);
  CHECK_FALSE(exchanged->head.has_value());
  CHECK(rig.upstream.active() == 0);
}

TEST_CASE("a transfer may be destroyed from inside its callbacks") {
  RawServer server{[&](RawConnection& connection) {
    while (connection.read_request()) {
      connection.write(chunked_head + http_chunk("data: 1\n\n"));
      server.pause(20ms);
      if (!connection.write(http_chunk("data: 2\n\n") + "0\r\n\r\n")) return;
    }
  }};
  Rig rig;
  const auto exchanged = rig.start(rig.request(rig.endpoint(server.url())));
  bool done = false;
  SECTION("on_bytes") {
    exchanged->receiver.hook = [&] {
      exchanged->transfer.reset();
      done = true;
      return Flow::pause;
    };
  }
  SECTION("on_end") {
    exchanged->receiver.end_hook = [&] {
      exchanged->transfer.reset();
      done = true;
    };
  }
  SECTION("on_end begins the next call") {
    std::unique_ptr<Exchanged> next;
    exchanged->receiver.end_hook = [&] {
      exchanged->transfer.reset();
      next = rig.start(rig.request(rig.endpoint(server.url())));
    };
    REQUIRE(rig.run_until([&] { return next && next->over(); }));
    CHECK(next->receiver.body == "data: 1\n\ndata: 2\n\n");
    CHECK(server.accepted() == 1);
    done = true;
  }
  REQUIRE(rig.run_until([&] { return done; }));
  rig.run_for(50ms);
  CHECK(rig.upstream.active() == 0);
}

TEST_CASE("a transfer may outlive its upstream and be inert") {
  RawServer server{[&](RawConnection& connection) {
    connection.read_request();
    connection.write(chunked_head + http_chunk("data: 1\n\n"));
    connection.closed_within(5s);
  }};
  auto rig = std::make_unique<Rig>();
  asio::io_context loop{1};
  const SystemClock clock;
  auto upstream = std::make_unique<upstream::CurlUpstream>(loop, clock);
  Exchanged exchanged;
  exchanged.transfer = upstream->send(rig->request(rig->endpoint(server.url())));
  asio::co_spawn(loop, drive(exchanged), asio::detached);
  while (exchanged.receiver.body.empty()) loop.run_one_for(10ms);
  upstream.reset();
  loop.run_for(20ms);
  CHECK_FALSE(exchanged.receiver.end.has_value());
  exchanged.transfer->resume();
  exchanged.transfer->cancel();
  loop.run_for(20ms);
  CHECK_FALSE(exchanged.receiver.end.has_value());
}

TEST_CASE("a pause is not mistaken for an idle upstream") {
  RawServer server{[&](RawConnection& connection) {
    connection.read_request();
    connection.write(chunked_head + http_chunk("data: 1\n\n"));
    server.pause(400ms);
    connection.write(http_chunk("data: 2\n\n") + "0\r\n\r\n");
    connection.read_request();
  }};
  Rig rig;
  auto endpoint = rig.endpoint(server.url());
  endpoint->timeouts.idle = 200ms;
  const auto exchanged = rig.start(rig.request(endpoint));
  exchanged->receiver.hook = [] { return Flow::pause; };
  rig.run_for(500ms);
  CHECK_FALSE(exchanged->over());
  while (!exchanged->over()) {
    exchanged->transfer->resume();
    rig.run_for(10ms);
  }
  CHECK(exchanged->error().empty());
  CHECK(exchanged->receiver.body == "data: 1\n\ndata: 2\n\n");
}

TEST_CASE("bytes that one wake-up brings arrive in one call") {
  RawServer server{[](RawConnection& connection) {
    connection.read_request();
    std::string burst = chunked_head;
    for (int i = 0; i < 50; ++i) burst += http_chunk("data: event\n\n");
    connection.write(burst + "0\r\n\r\n");
    connection.read_request();
  }};
  Rig rig;
  const auto exchanged = rig.fetch(server.url());
  CHECK(exchanged->receiver.body.size() == 50 * 13);
  CHECK(exchanged->receiver.wakes <= 2);
}
