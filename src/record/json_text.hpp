// Writes JSON, members and elements in the order of the calls; commas are its business.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace turnpike::record {

/// A record has hundreds of names and numbers of a few bytes: they are put in their place here, as a string's append takes
/// longer than they do.
class JsonText {
 public:
  /// `room`: bytes that most texts stay below.
  explicit JsonText(std::size_t room) : out_(room, '\0') {}

  /// Names are the program's own words: nothing in them needs escaping.
  void key(std::string_view name) {
    char* to = room_for(name.size() + 4);
    if (!fresh_) *to++ = ',';
    *to++ = '"';
    to = std::copy_n(name.data(), name.size(), to);
    *to++ = '"';
    *to++ = ':';
    written_to(to);
    fresh_ = true;
  }
  void open(char bracket) {
    separate();
    put(bracket);
    fresh_ = true;
  }
  void close(char bracket) {
    put(bracket);
    fresh_ = false;
  }
  /// Bytes that are not UTF-8 (a header's, say) are told as Latin-1.
  void text(std::string_view text);
  void flag(bool flag) {
    separate();
    put(flag ? "true" : "false");
  }
  /// The shortest decimal that reads back as the same number.
  template <typename Number>
  void number(Number number) {
    constexpr std::size_t digits_max = 32;
    separate();
    char* const to = room_for(digits_max);
    written_to(std::to_chars(to, to + digits_max, number).ptr);
  }
  void null() {
    separate();
    put("null");
  }

  /// All that was written; once.
  [[nodiscard]] std::string take() {
    out_.resize(used_);
    return std::move(out_);
  }

 private:
  void separate() {
    if (!fresh_) put(',');
    fresh_ = false;
  }
  /// So many bytes may be written there.
  char* room_for(std::size_t bytes) {
    if (out_.size() - used_ < bytes) out_.resize(std::max(2 * out_.size(), used_ + bytes));
    return out_.data() + used_;
  }
  void written_to(const char* end) { used_ = static_cast<std::size_t>(end - out_.data()); }
  void put(char c) {
    *room_for(1) = c;
    ++used_;
  }
  void put(std::string_view bytes) { written_to(std::copy_n(bytes.data(), bytes.size(), room_for(bytes.size()))); }

  std::string out_;
  std::size_t used_ = 0;  // of its bytes
  bool fresh_ = true;
};

}  // namespace turnpike::record
