// Bytes on their way to a client: written at once if the socket takes them, queued only for the
// rest.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

#include "server/transport.hpp"

namespace turnpike::server {

class OutQueue {
 public:
  static constexpr std::size_t parts_max = 4;

  /// Sends the parts in one gathered, non-blocking call and queues what the connection did not
  /// take; behind queued bytes everything is queued. At most parts_max parts. false: the client is
  /// gone.
  bool write(Transport& transport, std::initializer_list<std::string_view> parts);
  /// When the socket is writable again. false: the client is gone.
  bool flush(Transport& transport);
  void clear();

  [[nodiscard]] bool empty() const { return begin_ == bytes_.size(); }
  [[nodiscard]] std::size_t size() const { return bytes_.size() - begin_; }

 private:
  void enqueue(std::initializer_list<std::string_view> parts, std::size_t skip);

  std::string bytes_;
  std::size_t begin_ = 0;  // bytes before it have been sent
};

}  // namespace turnpike::server
