#include "app/handover.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>

#include "server/listener.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {
namespace {

namespace asio = boost::asio;

constexpr std::string_view request = "turnpike take-over 1\n";
constexpr std::string_view greeting = "turnpike handover 1\n";
constexpr std::string_view refusal = "turnpike is draining\n";
constexpr int answer_wait_ms = 5000;
constexpr std::string_view acceptance = "turnpike took over\n";
constexpr int acceptance_wait_ms = 1000;  // it opens what it was not given
constexpr int request_wait_ms = 200;  // it is sent with the connection; the admin loop waits for it

/// Names of sockets end at 107 bytes; through the folder's descriptor any folder will do.
struct ShortName {
  explicit ShortName(const std::filesystem::path& data) : folder(::open(data.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    address.sun_family = AF_UNIX;
    const auto text = fmt::format("/proc/self/fd/{}/handover.sock", folder.get());
    std::memcpy(address.sun_path, text.data(), std::min(text.size(), sizeof address.sun_path - 1));
  }
  Descriptor folder;
  sockaddr_un address{};
};

Error failed(std::string_view what) {
  return gateway_error(500, "take_over_failed", fmt::format("the gateway that runs cannot be taken over: {}", what));
}

bool send_listeners(int link, HandoverDoor::Listeners listeners) {
  const std::array<int, 2> numbers{listeners.data, listeners.admin};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof numbers)> control{};
  iovec text{const_cast<char*>(greeting.data()), greeting.size()};  // sendmsg only reads
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof numbers);
  std::memcpy(CMSG_DATA(header), numbers.data(), sizeof numbers);
  return ::sendmsg(link, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(greeting.size());
}

/// Whether these words come in time. Who only looks in is given nothing.
bool says(int link, std::string_view words, int wait_ms) {
  pollfd waiting{link, POLLIN, 0};
  std::array<char, 64> bytes{};
  if (::poll(&waiting, 1, wait_ms) != 1) return false;
  const ssize_t got = ::recv(link, bytes.data(), bytes.size(), MSG_DONTWAIT);
  return got > 0 && std::string_view{bytes.data(), static_cast<std::size_t>(got)} == words;
}

/// A socket at an address that the running gateway does not listen at.
Result<void> own_socket(Descriptor& handed, const ListenAddress& address) {
  if (handed.get() >= 0 && listens_at(handed.get(), address)) return {};
  const auto opened = server::listen_on(address.host, address.port);
  if (!opened) return std::unexpected{opened.error()};
  handed = Descriptor{*opened};
  return {};
}

Result<Handed> receive_listeners(Descriptor link) {
  if (::send(link.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) {
    return std::unexpected{failed("it does not listen")};
  }
  pollfd waiting{link.get(), POLLIN, 0};
  if (::poll(&waiting, 1, answer_wait_ms) != 1) return std::unexpected{failed("it does not answer")};
  std::array<int, 2> numbers{-1, -1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof numbers)> control{};
  std::array<char, 64> bytes{};
  iovec text{bytes.data(), bytes.size()};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(link.get(), &message, MSG_CMSG_CLOEXEC);
  const cmsghdr* header = got > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof numbers)) {
    return std::unexpected{failed("it is draining already, or is of another version")};
  }
  std::memcpy(numbers.data(), CMSG_DATA(header), sizeof numbers);
  Handed handed{Descriptor{numbers[0]}, Descriptor{numbers[1]}, std::move(link), {}};
  if (std::string_view{bytes.data(), static_cast<std::size_t>(got)} != greeting) return std::unexpected{failed("it speaks another version's words")};
  return handed;
}

bool same_user(int link) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(link, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (number_ >= 0) ::close(number_);
  number_ = other.release();
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

bool peer_lives(const Descriptor& link) {
  if (link.get() < 0) return false;
  char byte = 0;
  const ssize_t got = ::recv(link.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

Result<void> accept_listeners(Handed& handed, const ListenAddress& data, const ListenAddress& admin) {
  if (handed.link.get() < 0) return {};
  if (auto opened = own_socket(handed.data, data); !opened) return opened;
  if (auto opened = own_socket(handed.admin, admin); !opened) return opened;
  if (::send(handed.link.get(), acceptance.data(), acceptance.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(acceptance.size())) return {};
  return std::unexpected{failed("it has ended meanwhile")};
}

Result<Handed> ask_for_listeners(const std::filesystem::path& data) {
  const ShortName name{data};
  Descriptor link{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (name.folder.get() < 0 || link.get() < 0) return Handed{};
  if (::connect(link.get(), reinterpret_cast<const sockaddr*>(&name.address), sizeof name.address) == 0) return receive_listeners(std::move(link));
  const int why = errno;
  if (why == ENOENT || why == ECONNREFUSED) return Handed{};
  return std::unexpected{failed(std::strerror(why))};
}

bool listens_at(int socket, const ListenAddress& address) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return false;
  std::array<char, INET6_ADDRSTRLEN> text{};
  std::uint16_t port = 0;
  if (bound.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &bound, sizeof v4);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    port = ntohs(v4.sin_port);
  } else if (bound.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &bound, sizeof v6);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    port = ntohs(v6.sin6_port);
  }
  return address.host == text.data() && (address.port == 0 || address.port == port);
}

HandoverDoor::HandoverDoor(asio::io_context& loop, const std::filesystem::path& data, Offer offer, Taken taken)
    : acceptor_(loop), pause_(loop), socket_(data / "handover.sock"), offer_(std::move(offer)), taken_(std::move(taken)) {
  std::error_code ignored;
  std::filesystem::remove(socket_, ignored);  // of a process that was killed: the data directory is ours
  const ShortName name{data};
  Descriptor opened{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  boost::system::error_code unassigned;
  if (opened.get() < 0 || ::bind(opened.get(), reinterpret_cast<const sockaddr*>(&name.address), sizeof name.address) != 0 ||
      ::listen(opened.get(), 4) != 0) {
    log(LogLevel::warn, "take_over_not_possible", {{"why", std::string_view{std::strerror(errno)}}});
    return;
  }
  acceptor_.assign(asio::local::stream_protocol{}, opened.get(), unassigned);
  if (unassigned) return;
  opened.release();
  wait();
}

HandoverDoor::~HandoverDoor() {
  if (!acceptor_.is_open()) return;
  std::error_code ignored;
  std::filesystem::remove(socket_, ignored);
}

void HandoverDoor::wait() {
  acceptor_.async_wait(asio::local::stream_protocol::acceptor::wait_read, [this](const boost::system::error_code& stopped) {
    if (stopped) return;
    Descriptor link{::accept4(acceptor_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (link.get() >= 0) {
      answer(std::move(link));
      return wait();
    }
    // Without descriptors the socket stays readable: waiting for it at once would spin.
    pause_.expires_after(std::chrono::milliseconds{50});
    pause_.async_wait([this](const boost::system::error_code& gone) {
      if (!gone) wait();
    });
  });
}

void HandoverDoor::answer(Descriptor link) {
  if (link.get() < 0 || !same_user(link.get()) || !says(link.get(), request, request_wait_ms)) return;
  const Listeners listeners = offer_();
  if (listeners.data >= 0 && send_listeners(link.get(), listeners)) {
    // A successor that cannot listen leaves us where we are.
    if (says(link.get(), acceptance, acceptance_wait_ms)) return taken_(std::move(link));
    return log(LogLevel::warn, "take_over_broken_off");
  }
  ::send(link.get(), refusal.data(), refusal.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace turnpike::app
