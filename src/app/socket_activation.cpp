#include "app/socket_activation.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace turnpike::app {
namespace {

Error bad_activation(std::string message) { return gateway_error(500, "bad_activation", std::move(message)); }

Error unfit(int descriptor, std::string_view what) {
  return bad_activation(fmt::format("descriptor {} that LISTEN_FDS passes is {}; a listening TCP socket is expected", descriptor, what));
}

int option(int descriptor, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

}  // namespace

Result<void> check_activated(int descriptor) {
  const int type = option(descriptor, SO_TYPE);
  if (type < 0) return std::unexpected{unfit(descriptor, errno == EBADF ? "not open" : "no socket")};
  const int family = option(descriptor, SO_DOMAIN);
  if (family != AF_INET && family != AF_INET6) {
    return std::unexpected{unfit(descriptor, family == AF_UNIX ? "a Unix socket" : "a socket of another kind than TCP's")};
  }
  if (type != SOCK_STREAM) return std::unexpected{unfit(descriptor, type == SOCK_DGRAM ? "a UDP socket" : "a socket of another kind than TCP's")};
  if (option(descriptor, SO_ACCEPTCONN) != 1) return std::unexpected{unfit(descriptor, "a TCP socket that does not listen")};
  return {};
}

Result<Descriptor> inherited_listener() {
  const char* pid = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  constexpr int first_descriptor = 3;
  if (pid == nullptr || count == nullptr || std::to_string(::getpid()) != pid || std::string_view{count} == "0") return Descriptor{};
  if (std::string_view{count} != "1") {
    return std::unexpected{bad_activation(fmt::format(
        "LISTEN_FDS={} passes more than one descriptor, or is no number; 3 is the data listener, and the gateway opens the admin listener itself: leave one ListenStream= in its socket unit",
        quoted_for_message(count)))};
  }
  if (auto fit = check_activated(first_descriptor); !fit) return std::unexpected{fit.error()};
  return Descriptor{first_descriptor};
}

}  // namespace turnpike::app
