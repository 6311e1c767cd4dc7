// TLS on the listener: what a client meets, in the order of a connection's life.
#include <openssl/err.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>
#include <random>
#include <string>

#include "server/fixture.hpp"
#include "server/tls_context.hpp"
#include "support/test_certificate.hpp"

using namespace turnpike;
using namespace turnpike::server;
using namespace turnpike::server::test;
using namespace std::string_literals;
using turnpike::test::TestCertificate;

namespace {

const std::string get_echo = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string names = "IP:127.0.0.1,DNS:localhost";

std::shared_ptr<const TlsContext> context_of(const TestCertificate& certificate) {
  auto loaded = TlsContext::load({certificate.certificate_file(), certificate.key_file(), {}});
  REQUIRE(loaded.has_value());
  return *loaded;
}

/// What a client trusts and offers.
class ClientContext {
 public:
  explicit ClientContext(const TestCertificate& trusted) {
    std::signal(SIGPIPE, SIG_IGN);  // as the gateway does: OpenSSL writes without MSG_NOSIGNAL
    SSL_CTX_load_verify_file(context_, trusted.certificate_file().c_str());
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  }
  ~ClientContext() { SSL_CTX_free(context_); }
  ClientContext(const ClientContext&) = delete;
  ClientContext& operator=(const ClientContext&) = delete;
  [[nodiscard]] SSL_CTX* get() const { return context_; }
  void offer(std::string_view protocols) const {
    SSL_CTX_set_alpn_protos(context_, reinterpret_cast<const unsigned char*>(protocols.data()),
                            static_cast<unsigned>(protocols.size()));
  }

 private:
  SSL_CTX* context_ = SSL_CTX_new(TLS_client_method());
};

/// A server with a certificate, and clients that trust it.
struct TlsServer {
  explicit TlsServer(ServerLimits limits = {}, std::size_t loops = 1) : server(limits, loops) {
    server.listener->use_tls(context_of(certificate));
  }
  std::unique_ptr<Client> connect(int receive_buffer = 0) {
    auto client = std::make_unique<Client>(server, receive_buffer);
    client->secure(trusting.get());
    REQUIRE(SSL_connect(client->tls()) == 1);
    return client;
  }

  TestCertificate certificate{names};
  ClientContext trusting{certificate};
  Server server;
};

std::string cipher_of(Client& client) { return SSL_get_cipher_name(client.tls()); }

/// Handshake and requests through memory, so that a test decides how the bytes travel.
void exchange_byte_by_byte(Client& plain, SSL* tls, int& result) {
  std::array<char, 4096> bytes;
  for (;;) {
    const int waiting = BIO_read(SSL_get_wbio(tls), bytes.data(), bytes.size());
    if (waiting <= 0) break;
    for (int i = 0; i < waiting; ++i) plain.send({&bytes[static_cast<std::size_t>(i)], 1});
  }
  if (result == 1) return;
  const bool more = plain.read_more();
  REQUIRE(more);
  BIO_write(SSL_get_rbio(tls), plain.buffer.data(), static_cast<int>(plain.buffer.size()));
  plain.buffer.clear();
}

}  // namespace

TEST_CASE("a request over TLS 1.3 and over 1.2 is answered; older versions are not",
          "[server][tls]") {
  TlsServer world;
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    SSL_CTX_set_min_proto_version(world.trusting.get(), version);
    SSL_CTX_set_max_proto_version(world.trusting.get(), version);
    const auto client = world.connect();
    CHECK(SSL_version(client->tls()) == version);
    CHECK(cipher_of(*client).find("CBC") == std::string::npos);
    client->send(get_echo);
    CHECK(client->read_response().status == 200);
    client->send(get_echo);
    CHECK(client->read_response().body == "GET /echo ");
  }
  SSL_CTX_set_security_level(world.trusting.get(), 0);
  SSL_CTX_set_min_proto_version(world.trusting.get(), TLS1_1_VERSION);
  SSL_CTX_set_max_proto_version(world.trusting.get(), TLS1_1_VERSION);
  Client old{world.server};
  old.secure(world.trusting.get());
  CHECK(SSL_connect(old.tls()) != 1);
  CHECK(eventually([&] { return world.server.listener->tls_figures().failed == 1; }));
  CHECK(world.server.listener->tls_figures().full == 2);
}

TEST_CASE("ALPN: http/1.1 is chosen, a client that knows only h2 is refused", "[server][tls]") {
  using namespace std::string_view_literals;
  TlsServer world;
  world.trusting.offer("\x02h2\x08http/1.1"sv);
  const auto client = world.connect();
  const unsigned char* chosen = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(client->tls(), &chosen, &size);
  CHECK(std::string_view{reinterpret_cast<const char*>(chosen), size} == "http/1.1");

  world.trusting.offer("\x02h2"sv);
  Client only_h2{world.server};
  only_h2.secure(world.trusting.get());
  CHECK(SSL_connect(only_h2.tls()) != 1);
}

TEST_CASE("plain HTTP on a TLS port is told so in HTTP; other bytes are closed on",
          "[server][tls]") {
  TlsServer world;
  for (const std::string& request : {get_echo,
                                     "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: "
                                     "4\r\n\r\nbody"s}) {
    Client plain{world.server};
    plain.send(request);
    const auto response = plain.read_response();
    CHECK(response.status == 400);
    CHECK(response.body == "tls_required|");
    CHECK(response.has("connection: close"));
    plain.read_to_end();
    CHECK(plain.closed);
  }
  for (const std::string& garbage :
       {"\x00\x01\x02\x03\x04\x05\x06\x07"s, "SSH-2.0-client\r\n"s, std::string(70'000, 'x')}) {
    Client plain{world.server};
    plain.send(garbage);
    plain.read_to_end();
    CHECK(plain.closed);
  }
  CHECK(world.server.seen.heads == 0);
  CHECK(world.connect()->read_more(50ms) == false);  // and TLS clients are still served
}

TEST_CASE("a handshake that does not get on is closed in time and counted", "[server][tls]") {
  auto limits = quick_limits();
  limits.handshake_timeout = 200ms;
  TlsServer world{limits};
  Client silent{world.server};
  Client halfway{world.server};
  halfway.send("\x16\x03\x01\x02\x00\x01");  // a record's head, and no more
  silent.read_to_end();
  halfway.read_to_end();
  CHECK(silent.closed);
  CHECK(halfway.closed);
  CHECK(world.server.listener->tls_figures().timed_out == 2);
}

TEST_CASE("handshake and request survive being cut into single bytes", "[server][tls]") {
  TlsServer world;
  Client plain{world.server};
  SSL* tls = SSL_new(world.trusting.get());
  SSL_set_bio(tls, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(tls);
  int done = 0;
  while (done != 1) {
    done = SSL_do_handshake(tls);
    exchange_byte_by_byte(plain, tls, done);
  }
  const std::string request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
  for (const char byte : request) SSL_write(tls, &byte, 1);  // a record of its own for each
  exchange_byte_by_byte(plain, tls, done);
  std::string answer;
  std::array<char, 4096> bytes;
  while (answer.find("hello") == std::string::npos && plain.read_more()) {
    BIO_write(SSL_get_rbio(tls), plain.buffer.data(), static_cast<int>(plain.buffer.size()));
    plain.buffer.clear();
    for (int got = 1; got > 0;) {
      got = SSL_read(tls, bytes.data(), bytes.size());
      if (got > 0) answer.append(bytes.data(), static_cast<std::size_t>(got));
    }
  }
  CHECK(answer.ends_with("POST /echo hello"));
  SSL_free(tls);
}

TEST_CASE("large bodies pass both ways, whatever pieces they come in", "[server][tls]") {
  TlsServer world;
  const auto seed = GENERATE(1U, 2U, 3U);
  CAPTURE(seed);
  std::mt19937 random{seed};
  std::string body(3'000'000 + random() % 100'000, 'x');
  for (auto& byte : body) byte = static_cast<char>('a' + random() % 26);
  const auto client = world.connect();
  const bool chunked = seed == 2;
  client->send(
      "POST /echo HTTP/1.1\r\nHost: a\r\n" +
      (chunked ? "Transfer-Encoding: chunked"s : "Content-Length: " + std::to_string(body.size())) +
      "\r\n\r\n");
  for (std::size_t at = 0; at < body.size();) {
    const auto piece = std::string_view{body}.substr(at, 1 + random() % 40'000);
    std::array<char, 16> size{};
    const auto end = std::to_chars(size.data(), size.data() + size.size(), piece.size(), 16).ptr;
    if (chunked) client->send(std::string{size.data(), end} + "\r\n");
    client->send(piece);
    if (chunked) client->send("\r\n");
    at += piece.size();
  }
  if (chunked) client->send("0\r\n\r\n");
  const auto response = client->read_response();
  CHECK(response.status == 200);
  CHECK(response.body == "POST /echo " + body);
}

TEST_CASE("pipelined requests in one record are answered in order", "[server][tls]") {
  TlsServer world;
  const auto client = world.connect();
  std::string all;
  for (int i = 0; i < 100; ++i)
    all += "GET /echo?" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  client->send(all);
  for (int i = 0; i < 100; ++i)
    REQUIRE(client->read_response().body == "GET /echo?" + std::to_string(i) + " ");
}

TEST_CASE("a stream waits for a reader who is slow, and loses nothing", "[server][tls]") {
  TlsServer world;
  const auto client = world.connect(4096);
  client->send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(eventually([&] { return world.server.seen.full > 0; }));
  CHECK(world.server.seen.written < 16U << 20U);
  const auto response = client->read_response();
  CHECK(response.complete);
  CHECK(response.body.size() == 16U << 20U);
  CHECK(world.server.seen.drained == world.server.seen.full);
}

TEST_CASE("a reader who takes nothing is cut over TLS, too", "[server][tls]") {
  TlsServer world{quick_limits()};
  const auto client = world.connect(4096);
  client->send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(eventually([&] { return world.server.seen.gone == 1; }));
}

TEST_CASE("a client that leaves while its answer is pending is noticed, however it leaves",
          "[server][tls]") {
  TlsServer world;
  int gone = 0;
  for (const std::string way : {"close_notify", "fin", "reset"}) {
    CAPTURE(way);
    const auto client = world.connect();
    client->send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    REQUIRE(eventually([&] { return world.server.seen.running == 1; }));
    if (way == "close_notify") SSL_shutdown(client->tls());
    if (way == "fin") client->half_close();
    if (way == "reset") client->reset();
    ++gone;
    CHECK(eventually(
        [&] { return world.server.seen.gone == gone && world.server.seen.running == 0; }));
  }
}

TEST_CASE("the tidy end is told by close_notify, a broken answer is not", "[server][tls]") {
  TlsServer world;
  const auto tidy = world.connect();
  tidy->send("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  CHECK(tidy->read_response().complete);
  tidy->read_to_end();
  CHECK((SSL_get_shutdown(tidy->tls()) & SSL_RECEIVED_SHUTDOWN) != 0);

  const auto until_close = world.connect();
  until_close->send("GET /stream?5 HTTP/1.0\r\n\r\n");
  const auto response = until_close->read_response();
  CHECK(response.body.ends_with("data: 4\n\n"));
  CHECK((SSL_get_shutdown(until_close->tls()) & SSL_RECEIVED_SHUTDOWN) != 0);

  const auto broken = world.connect();
  broken->send("GET /abort HTTP/1.0\r\n\r\n");
  broken->read_to_end();
  CHECK((SSL_get_shutdown(broken->tls()) & SSL_RECEIVED_SHUTDOWN) == 0);
}

TEST_CASE("a session is taken up again by any loop", "[server][tls]") {
  TlsServer world{ServerLimits{}, 2};
  const auto first = world.connect();
  first->send(get_echo);
  CHECK(first->read_response().status == 200);  // with it came the tickets
  SSL_SESSION* session = SSL_get1_session(first->tls());
  for (int i = 0; i < 4; ++i) {
    Client again{world.server};
    again.secure(world.trusting.get());
    SSL_set_session(again.tls(), session);
    REQUIRE(SSL_connect(again.tls()) == 1);
    CHECK(SSL_session_reused(again.tls()) == 1);
    again.send(get_echo);
    CHECK(again.read_response().status == 200);
  }
  SSL_SESSION_free(session);
  CHECK(world.server.listener->tls_figures().resumed == 4);
}

TEST_CASE("new keys asked for in the middle change nothing", "[server][tls]") {
  TlsServer world;
  const auto client = world.connect();
  for (int i = 0; i < 5; ++i) {
    REQUIRE(SSL_key_update(client->tls(), SSL_KEY_UPDATE_REQUESTED) == 1);
    client->send(get_echo);
    CHECK(client->read_response().status == 200);
  }
}

TEST_CASE("a new certificate is shown to new connections; open ones keep the old",
          "[server][tls]") {
  TlsServer world;
  const auto before = world.connect();
  const TestCertificate renewed{"IP:127.0.0.1"};
  world.server.listener->use_tls(context_of(renewed));
  const ClientContext trusting_new{renewed};
  Client after{world.server};
  after.secure(trusting_new.get());
  CHECK(SSL_connect(after.tls()) == 1);
  Client distrusting{world.server};
  distrusting.secure(world.trusting.get());
  CHECK(SSL_connect(distrusting.tls()) != 1);
  before->send(get_echo);
  CHECK(before->read_response().status == 200);
}

TEST_CASE("with a client authority only those it vouches for come in", "[server][tls]") {
  TlsServer world;
  const TestCertificate known{"DNS:client"};
  auto loaded = TlsContext::load({world.certificate.certificate_file(),
                                  world.certificate.key_file(), known.certificate_file()});
  REQUIRE(loaded.has_value());
  world.server.listener->use_tls(*loaded);
  Client nobody{world.server};
  nobody.secure(world.trusting.get());
  SSL_connect(nobody.tls());  // in TLS 1.3 the client learns of the refusal by reading
  nobody.send(get_echo);
  CHECK(nobody.read_response().status == 0);
  SSL_CTX_use_certificate_file(world.trusting.get(), known.certificate_file().c_str(),
                               SSL_FILETYPE_PEM);
  SSL_CTX_use_PrivateKey_file(world.trusting.get(), known.key_file().c_str(), SSL_FILETYPE_PEM);
  const auto client = world.connect();
  client->send(get_echo);
  CHECK(client->read_response().status == 200);
}

TEST_CASE("a pair that cannot be used is refused with file and reason", "[server][tls]") {
  const TestCertificate good{names};
  const TestCertificate other{names};
  const auto refused = [](const TlsFiles& files) {
    auto loaded = TlsContext::load(files);
    REQUIRE_FALSE(loaded.has_value());
    return loaded.error().file.string() + ": " + loaded.error().reason;
  };
  const std::string absent = "/nonexistent/tls.crt";
  CHECK(refused({absent, good.key_file(), {}}) == absent + ": No such file or directory");
  CHECK(refused({"/tmp", good.key_file(), {}}) == "/tmp: is not a file");
  CHECK(refused({good.key_file(), good.key_file(), {}})
            .starts_with(good.key_file() + ": holds no usable PEM certificate: "));
  CHECK(refused({good.certificate_file(), good.certificate_file(), {}})
            .starts_with(good.certificate_file() +
                         ": holds no usable PEM key without a passphrase: "));
  CHECK(refused({good.certificate_file(), other.key_file(), {}}) ==
        other.key_file() + ": is not the key of the certificate in " + good.certificate_file());
  CHECK(refused({good.certificate_file(), good.key_file(), good.key_file()})
            .starts_with(good.key_file() + ": holds no usable PEM certificate: "));
  for (const mode_t mode : {0604U, 0644U, 0660U, 0601U}) {
    REQUIRE(::chmod(good.key_file().c_str(), mode) == 0);
    CHECK(refused({good.certificate_file(), good.key_file(), {}}).find("chmod 640") !=
          std::string::npos);
  }
  for (const mode_t mode : {0600U, 0400U, 0640U, 0440U}) {
    REQUIRE(::chmod(good.key_file().c_str(), mode) == 0);
    CHECK(TlsContext::load({good.certificate_file(), good.key_file(), {}}).has_value());
  }
}

TEST_CASE("a certificate's dates and names are known", "[server][tls]") {
  const SystemClock clock;
  const TestCertificate expired{names, -60};
  const auto context = context_of(expired);
  CHECK(context->certificate().not_after < clock.now());
  CHECK(context->certificate().not_after > clock.now() - 2min);
  CHECK(context->certificate().not_before < context->certificate().not_after);
  CHECK(context->certificate().names == "IP Address:127.0.0.1, DNS:localhost");
  CHECK(context->certificate().fingerprint.size() == 64);
}

TEST_CASE("draining ends handshakes that wait and lets requests finish", "[server][tls]") {
  TlsServer world{quick_limits()};
  Client silent{world.server};
  const auto busy = world.connect();
  busy->send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo");
  REQUIRE(eventually([&] { return world.server.seen.heads == 1; }));
  world.server.listener->stop_accepting();
  world.server.listener->drain();
  silent.read_to_end();
  CHECK(silent.closed);
  busy->send("dy");
  const auto response = busy->read_response();
  CHECK(response.status == 200);
  CHECK(response.has("connection: close"));
}
