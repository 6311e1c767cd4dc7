#include "app/service_manager.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace turnpike::app {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// A third of what systemd waits for. The variable may be meant for another process.
std::chrono::milliseconds sign_interval_asked() {
  const std::string pid = variable("WATCHDOG_PID");
  if (!pid.empty() && pid != std::to_string(::getpid())) return {};
  const std::string text = variable("WATCHDOG_USEC");
  std::int64_t microseconds = 0;
  std::from_chars(text.data(), text.data() + text.size(), microseconds);
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::microseconds{microseconds} / 3);
}

}  // namespace

ServiceManager::ServiceManager(const Clock& clock)
    : clock_(clock), socket_(variable("NOTIFY_SOCKET")), sign_interval_(socket_.empty() ? std::chrono::milliseconds{0} : sign_interval_asked()) {}

void ServiceManager::ready(std::string_view status) const { tell(fmt::format("READY=1\nSTATUS={}", status)); }

void ServiceManager::reloading() const {
  const auto now = std::chrono::duration_cast<std::chrono::microseconds>(clock_.monotonic().time_since_epoch());
  tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.count()));
}

void ServiceManager::stopping() const { tell("STOPPING=1\nSTATUS=draining"); }

void ServiceManager::on_turn(bool well) {
  if (sign_interval_.count() == 0 || !well || clock_.monotonic() < next_sign_) return;
  next_sign_ = clock_.monotonic() + sign_interval_;
  tell("WATCHDOG=1");
}

/// A manager that does not listen is no reason to fail.
void ServiceManager::tell(std::string_view lines) const {
  sockaddr_un address{};
  if (socket_.empty() || socket_.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_.front() == '@') address.sun_path[0] = '\0';  // Linux' abstract names
  const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  ::sendto(descriptor, lines.data(), lines.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
  ::close(descriptor);
}

}  // namespace turnpike::app
