// Received bytes whose turn has not come: the start of a head, or requests sent ahead.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace turnpike::server {

/// Taking from the front is cheap, so that a hundred requests in one packet cost a hundred reads,
/// not a hundred copies.
class Backlog {
 public:
  [[nodiscard]] std::string_view view() const { return std::string_view{bytes_}.substr(begin_); }
  [[nodiscard]] std::size_t size() const { return bytes_.size() - begin_; }
  [[nodiscard]] bool empty() const { return size() == 0; }

  void append(std::string_view bytes) {
    if (begin_ > 0) {
      bytes_.erase(0, begin_);
      begin_ = 0;
    }
    bytes_.append(bytes);
  }
  void consume(std::size_t count) {
    begin_ += count;
    if (empty()) clear();
  }
  /// Gives the memory back as well: an idle connection holds no buffer.
  void clear() {
    std::string{}.swap(bytes_);
    begin_ = 0;
  }

 private:
  std::string bytes_;
  std::size_t begin_ = 0;
};

}  // namespace turnpike::server
