#include "json_writer.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

namespace turnpike::wire {
namespace {

/// 0: copied as it is. 'u': \u00XX. Any other: the letter behind the backslash. 0xE2 is looked at only when line
/// separators are escaped.
constexpr std::array<char, 256> escapes = [] {
  std::array<char, 256> table{};
  for (std::size_t code = 0; code < 0x20; ++code) table[code] = 'u';
  table['\b'] = 'b';
  table['\f'] = 'f';
  table['\n'] = 'n';
  table['\r'] = 'r';
  table['\t'] = 't';
  table['"'] = '"';
  table['\\'] = '\\';
  return table;
}();

constexpr std::string_view hex_digits = "0123456789abcdef";

void append_escape(std::string& out, unsigned char byte, char letter) {
  out += '\\';
  out += letter;
  if (letter != 'u') return;
  out += "00";
  out += hex_digits[byte >> 4U];
  out += hex_digits[byte & 15U];
}

/// U+2028 is E2 80 A8, U+2029 is E2 80 A9.
bool is_line_separator(std::string_view text, std::size_t at) {
  return text.substr(at, 2) == "\xE2\x80" && at + 2 < text.size() &&
         (text[at + 2] == '\xA8' || text[at + 2] == '\xA9');
}

}  // namespace

void append_quoted(std::string& out, std::string_view text, bool line_separators) {
  out += '"';
  std::size_t copied = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const char letter = escapes[byte];
    if (letter != 0) {
      out.append(text, copied, at - copied);
      append_escape(out, byte, letter);
      copied = at + 1;
    } else if (line_separators && byte == 0xE2 && is_line_separator(text, at)) {
      out.append(text, copied, at - copied);
      out += text[at + 2] == '\xA8' ? "\\u2028" : "\\u2029";
      copied = at + 3;
      at += 2;
    }
  }
  out.append(text, copied, text.size() - copied);
  out += '"';
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_quoted(out_, name);
  out_ += ':';
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  append_quoted(out_, text);
  return *this;
}

JsonWriter& JsonWriter::value(bool flag) { return raw(flag ? "true" : "false"); }

JsonWriter& JsonWriter::value(std::int64_t number) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return raw({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

// JSON has no word for infinity or "not a number": null, as JavaScript writes them.
JsonWriter& JsonWriter::value(double number) {
  if (!std::isfinite(number)) return null();
  std::array<char, 40> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  return raw({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  first_ = false;
  after_key_ = false;
  return *this;
}

void JsonWriter::separate() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (!first_) out_ += ',';
  first_ = false;
}

}  // namespace turnpike::wire
