// What systemd is told about the process: datagrams to the socket in NOTIFY_SOCKET, as sd_notify(3) describes them, without
// its library. Without the variable nothing is sent.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "turnpike/clock.hpp"

namespace turnpike::app {

class ServiceManager {
 public:
  explicit ServiceManager(const Clock& clock);

  /// Serving; also the end of a reload.
  void ready(std::string_view status) const;
  void reloading() const;
  void stopping() const;
  /// Call it often: sends the sign of life that WatchdogSec= asks for when it is due, and only if `well`.
  void on_turn(bool well);
  /// How often is often; zero if nobody waits for a sign.
  [[nodiscard]] std::chrono::milliseconds sign_interval() const { return sign_interval_; }

 private:
  void tell(std::string_view lines) const;

  const Clock& clock_;
  std::string socket_;
  std::chrono::milliseconds sign_interval_{0};
  Monotonic next_sign_{};
};

}  // namespace turnpike::app
