// Appends JSON to a string, members and elements in the order of the calls; commas are its business.
#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace turnpike::record {

class JsonText {
 public:
  explicit JsonText(std::string& out) : out_(out) {}

  /// Names are the program's own words: nothing in them needs escaping.
  void key(std::string_view name) {
    if (!fresh_) out_ += ',';
    out_ += '"';
    out_.append(name).append("\":", 2);
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
    std::array<char, 32> digits{};
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
