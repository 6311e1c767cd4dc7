#include "bench_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <queue>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace turnpike::bench {

namespace {

using Clock = std::chrono::steady_clock;

int listen_on_loopback(std::uint16_t& port) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener, 4096) != 0 ||
      ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error{"bench server cannot listen"};
  }
  port = ntohs(address.sin_port);
  return listener;
}

long parameter(std::string_view target, std::string_view name, long otherwise) {
  const auto at = target.find(std::string{name} + "=");
  return at == std::string_view::npos ? otherwise : std::atol(target.data() + at + name.size() + 1);
}

std::string framed(std::string_view bytes) {
  std::array<char, 24> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  return std::string{size.data()}.append(bytes).append("\r\n");
}

// About 180 bytes, as an OpenAI chunk with one word in it.
const std::string& event() {
  static const std::string bytes = framed(
      R"(data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1763800000,"model":"bench",)"
      R"("choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]})"
      "\n\n");
  return bytes;
}

struct Peer {
  int descriptor = -1;
  SSL* ssl = nullptr;
  std::string in;
  std::string out;
  bool close_when_sent = false;
  long chunks_left = 0;
  std::chrono::microseconds pace{0};
};

class Server {
 public:
  Server(int plain, int tls, SSL_CTX* context)
      : epoll_(::epoll_create1(0)), plain_(plain), tls_(tls), context_(context) {
    watch(plain_, EPOLLIN, EPOLL_CTL_ADD);
    watch(tls_, EPOLLIN, EPOLL_CTL_ADD);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 256> events{};
    while (true) {
      const int count =
          ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms());
      for (int i = 0; i < count; ++i) {
        const int descriptor = events[static_cast<std::size_t>(i)].data.fd;
        if (descriptor == plain_ || descriptor == tls_) {
          accept_from(descriptor);
        } else {
          serve(descriptor);
        }
      }
      send_due_events();
    }
  }

 private:
  struct Due {
    Clock::time_point when;
    int descriptor;
    bool operator<(const Due& other) const { return when > other.when; }
  };

  void watch(int descriptor, std::uint32_t events, int operation) const {
    epoll_event event{};
    event.events = events;
    event.data.fd = descriptor;
    ::epoll_ctl(epoll_, operation, descriptor, &event);
  }

  [[nodiscard]] int wait_ms() const {
    if (due_.empty()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_.top().when - Clock::now());
    return left.count() < 0 ? 0 : static_cast<int>(left.count());
  }

  void accept_from(int listener) {
    while (true) {
      const int descriptor = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
      if (descriptor < 0) return;
      const int on = 1;
      ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      auto& peer = peers_[descriptor];
      peer = Peer{};
      peer.descriptor = descriptor;
      if (listener == tls_) {
        peer.ssl = SSL_new(context_);
        SSL_set_fd(peer.ssl, descriptor);
        SSL_set_accept_state(peer.ssl);
      }
      watch(descriptor, EPOLLIN, EPOLL_CTL_ADD);
    }
  }

  void serve(int descriptor) {
    const auto found = peers_.find(descriptor);
    if (found == peers_.end()) return;
    auto& peer = found->second;
    if (!receive(peer)) return drop(peer);
    while (answer_one(peer)) {
    }
    flush(peer);
  }

  static bool receive(Peer& peer) {
    std::array<char, 65536> bytes{};
    while (true) {
      const auto got = peer.ssl != nullptr
                           ? static_cast<ssize_t>(
                                 SSL_read(peer.ssl, bytes.data(), static_cast<int>(bytes.size())))
                           : ::recv(peer.descriptor, bytes.data(), bytes.size(), 0);
      if (got > 0) {
        peer.in.append(bytes.data(), static_cast<std::size_t>(got));
        if (peer.ssl == nullptr && std::cmp_less(got, bytes.size())) return true;
        continue;
      }
      if (peer.ssl == nullptr) return got < 0 && errno == EAGAIN;
      const int why = SSL_get_error(peer.ssl, static_cast<int>(got));
      return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
    }
  }

  bool answer_one(Peer& peer) {
    const auto blank = peer.in.find("\r\n\r\n");
    if (blank == std::string::npos) return false;
    const auto field = peer.in.find("Content-Length: ");
    const auto length =
        field < blank ? std::strtoull(peer.in.c_str() + field + 16, nullptr, 10) : 0;
    if (peer.in.size() < blank + 4 + length) return false;
    const auto target = peer.in.substr(0, peer.in.find("\r\n"));
    peer.in.erase(0, blank + 4 + length);
    if (target.find("/sse") != std::string::npos) {
      begin_stream(peer, target);
    } else {
      const auto bytes = static_cast<std::size_t>(parameter(target, "bytes", 1500));
      peer.close_when_sent = parameter(target, "close", 0) == 1;
      peer.out += "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
      if (peer.close_when_sent) peer.out += "Connection: close\r\n";
      peer.out += "Content-Length: " + std::to_string(bytes) + "\r\n\r\n" + std::string(bytes, 'y');
    }
    return true;
  }

  void begin_stream(Peer& peer, const std::string& target) {
    peer.out +=
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    peer.chunks_left = parameter(target, "chunks", 200);
    peer.pace = std::chrono::microseconds{parameter(target, "pace_us", 0)};
    if (peer.pace.count() == 0) {
      for (; peer.chunks_left > 0; --peer.chunks_left) peer.out += event();
      peer.out += "0\r\n\r\n";
    } else {
      next_event(peer);
    }
  }

  void next_event(Peer& peer) {
    peer.out += event();
    if (--peer.chunks_left == 0) {
      peer.out += "0\r\n\r\n";
    } else {
      due_.push({Clock::now() + peer.pace, peer.descriptor});
    }
  }

  void send_due_events() {
    const auto now = Clock::now();
    while (!due_.empty() && due_.top().when <= now) {
      const auto descriptor = due_.top().descriptor;
      due_.pop();
      const auto found = peers_.find(descriptor);
      if (found == peers_.end() || found->second.chunks_left == 0) continue;
      next_event(found->second);
      flush(found->second);
    }
  }

  void flush(Peer& peer) {
    while (!peer.out.empty()) {
      const auto sent =
          peer.ssl != nullptr
              ? static_cast<ssize_t>(
                    SSL_write(peer.ssl, peer.out.data(), static_cast<int>(peer.out.size())))
              : ::send(peer.descriptor, peer.out.data(), peer.out.size(), MSG_NOSIGNAL);
      if (sent <= 0) return watch(peer.descriptor, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
      peer.out.erase(0, static_cast<std::size_t>(sent));
    }
    if (peer.close_when_sent) {
      if (peer.ssl != nullptr) SSL_shutdown(peer.ssl);
      drop(peer);
    }
  }

  void drop(Peer& peer) {
    if (peer.ssl != nullptr) SSL_free(peer.ssl);
    const int descriptor = peer.descriptor;
    peers_.erase(descriptor);
    ::close(descriptor);
  }

  int epoll_;
  int plain_;
  int tls_;
  SSL_CTX* context_;
  std::unordered_map<int, Peer> peers_;
  std::priority_queue<Due> due_;
};

}  // namespace

BenchServer::BenchServer(const std::string& certificate_file, const std::string& key_file) {
  const int plain = listen_on_loopback(plain_port_);
  const int tls = listen_on_loopback(tls_port_);
  child_ = ::fork();
  if (child_ < 0) throw std::runtime_error{"bench server cannot fork"};
  if (child_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::signal(SIGPIPE, SIG_IGN);
    auto* context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
      std::_Exit(1);
    }
    Server server{plain, tls, context};
    server.run();
  }
  ::close(plain);
  ::close(tls);
}

BenchServer::~BenchServer() {
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
}

}  // namespace turnpike::bench
