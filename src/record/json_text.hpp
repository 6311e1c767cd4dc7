// Appends JSON to a string, members and elements in the order of the calls; commas are its business.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>

namespace turnpike::record {

class JsonText {
 public:
  explicit JsonText(std::string& out) : out_(out) {}

  /// Names are the program's own words, of at most 60 letters: nothing in them needs escaping.
  void key(std::string_view name) {
    // One append instead of four: a record has hundreds of names.
    std::array<char, 64> piece;
    const std::size_t length = std::min(name.size(), piece.size() - 4);
    char* to = piece.data();
    if (!fresh_) *to++ = ',';
    *to++ = '"';
    to = std::copy_n(name.data(), length, to);
    *to++ = '"';
    *to++ = ':';
    assert(length == name.size());
    out_.append(piece.data(), to);
    fresh_ = true;
  }
  void open(char bracket) {
    separate();
    out_ += bracket;
    fresh_ = true;
  }
  void close(char bracket) {
    out_ += bracket;
    fresh_ = false;
  }
  /// Bytes that are not UTF-8 (a header's, say) are told as Latin-1.
  void text(std::string_view text);
  void flag(bool flag) {
    separate();
    out_ += flag ? "true" : "false";
  }
  /// The shortest decimal that reads back as the same number.
  template <typename Number>
  void number(Number number) {
    separate();
    std::array<char, 32> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out_.append(digits.data(), end);
  }
  void null() {
    separate();
    out_ += "null";
  }

 private:
  void separate() {
    if (!fresh_) out_ += ',';
    fresh_ = false;
  }

  std::string& out_;
  bool fresh_ = true;
};

}  // namespace turnpike::record
