#include "wire/json_check.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>

namespace turnpike::wire {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/// What may follow a lead byte: RFC 3629, "Syntax of UTF-8 Byte Sequences". The second byte's range
/// keeps out overlong forms, surrogates and values above U+10FFFF.
struct Utf8Form {
  unsigned char lead_min, lead_max;
  std::size_t length;
  unsigned char second_min, second_max;
};
constexpr Utf8Form utf8_forms[] = {
    {0x00, 0x7F, 1, 0, 0},       {0xC2, 0xDF, 2, 0x80, 0xBF}, {0xE0, 0xE0, 3, 0xA0, 0xBF},
    {0xE1, 0xEC, 3, 0x80, 0xBF}, {0xED, 0xED, 3, 0x80, 0x9F}, {0xEE, 0xEF, 3, 0x80, 0xBF},
    {0xF0, 0xF0, 4, 0x90, 0xBF}, {0xF1, 0xF3, 4, 0x80, 0xBF}, {0xF4, 0xF4, 4, 0x80, 0x8F}};

/// Length of the valid sequence at `at`, 0 if there is none.
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const auto* form = std::ranges::find_if(utf8_forms, [lead = byte(0)](const Utf8Form& f) {
    return lead >= f.lead_min && lead <= f.lead_max;
  });
  if (form == std::end(utf8_forms) || at + form->length > text.size()) return 0;
  if (form->length == 1) return 1;
  if (byte(1) < form->second_min || byte(1) > form->second_max) return 0;
  for (std::size_t i = 2; i < form->length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  }
  return form->length;
}

std::size_t first_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto length = utf8_length(text, at);
    if (length == 0) return at;
    at += length;
  }
  return at;
}

/// Recursive descent; the depth limit bounds the stack.
class Checker {
 public:
  Checker(std::string_view text, std::size_t depth_max) : text_(text), depth_max_(depth_max) {}

  JsonCheck run() {
    skip_blanks();
    if (at_end()) return {JsonFault{"empty_body", at_, "there is no JSON document"}, {}};
    if (value(0)) {
      skip_blanks();
      if (!at_end()) fail("something follows the document");
    }
    return {fault_, std::move(huge_)};
  }

 private:
  [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
  [[nodiscard]] char peek() const { return at_end() ? '\0' : text_[at_]; }
  void skip_blanks() {
    while (!at_end() && (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t'))
      ++at_;
  }
  bool fail(std::string_view what, std::string_view code = "invalid_json") {
    if (!fault_) fault_ = JsonFault{code, at_, at_end() ? "the document ends too early" : what};
    return false;
  }
  bool expect(char c, std::string_view what) {
    if (at_end() || peek() != c) return fail(what);
    ++at_;
    return true;
  }

  bool value(std::size_t depth) {
    switch (peek()) {
      case '{':
        return object(depth + 1);
      case '[':
        return array(depth + 1);
      case '"':
        return string();
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return number();
    }
  }

  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return fail("a value was expected");
    at_ += expected.size();
    return true;
  }

  bool object(std::size_t depth) {
    if (depth > depth_max_) return fail("values are nested too deep", "too_deep");
    ++at_;
    skip_blanks();
    if (peek() == '}') {
      ++at_;
      return true;
    }
    while (true) {
      skip_blanks();
      if (peek() != '"') return fail("a member name was expected");
      if (!string()) return false;
      skip_blanks();
      if (!expect(':', "':' was expected")) return false;
      skip_blanks();
      if (!value(depth)) return false;
      skip_blanks();
      if (peek() != ',') return expect('}', "',' or '}' was expected");
      ++at_;
    }
  }

  bool array(std::size_t depth) {
    if (depth > depth_max_) return fail("values are nested too deep", "too_deep");
    ++at_;
    skip_blanks();
    if (peek() == ']') {
      ++at_;
      return true;
    }
    while (true) {
      skip_blanks();
      if (!value(depth)) return false;
      skip_blanks();
      if (peek() != ',') return expect(']', "',' or ']' was expected");
      ++at_;
    }
  }

  bool string() {
    ++at_;
    while (!at_end()) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return true;
      }
      if (static_cast<unsigned char>(c) < 0x20) return fail("a control byte stands in a string");
      if (c == '\\') {
        if (!escape()) return false;
      } else {
        ++at_;
      }
    }
    return fail("a string is not closed");
  }

  bool escape() {
    ++at_;
    if (at_end()) return fail("an escape is cut off");
    if (peek() != 'u') {
      if (std::string_view{"\"\\/bfnrt"}.find(peek()) == std::string_view::npos) {
        return fail("this escape does not exist");
      }
      ++at_;
      return true;
    }
    ++at_;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (!is_hex(peek())) return fail("four hexadecimal digits were expected");
    }
    return true;
  }

  bool digits() {
    if (!is_digit(peek())) return fail("a value was expected");
    while (is_digit(peek())) ++at_;
    return true;
  }

  bool number() {
    const auto begin = at_;
    bool integral = true;
    if (peek() == '-') ++at_;
    if (peek() == '0') {
      ++at_;
      if (is_digit(peek())) return fail("a number has a leading zero");
    } else if (!digits()) {
      return false;
    }
    if (peek() == '.') {
      integral = false;
      ++at_;
      if (!digits()) return false;
    }
    if (peek() == 'e' || peek() == 'E') {
      integral = false;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits()) return false;
    }
    note_if_huge(begin, integral);
    return true;
  }

  void note_if_huge(std::size_t begin, bool integral) {
    const auto token = text_.substr(begin, at_ - begin);
    if (integral) {
      if (token.size() < 19) return;
      std::int64_t number = 0;
      std::uint64_t natural = 0;
      const auto fits = [token](auto& into) {
        const char* first = token.data();
        return std::from_chars(first, first + token.size(), into).ec == std::errc{};
      };
      if (fits(number) || (token[0] != '-' && fits(natural))) return;
      huge_.emplace_back(begin, at_);
      return;
    }
    const std::string terminated{token};
    if (std::isinf(std::strtod(terminated.c_str(), nullptr))) huge_.emplace_back(begin, at_);
  }

  std::string_view text_;
  std::size_t depth_max_;
  std::size_t at_ = 0;
  std::optional<JsonFault> fault_;
  std::vector<std::pair<std::size_t, std::size_t>> huge_;
};

}  // namespace

JsonCheck check_json(std::string_view text, std::size_t depth_max) {
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    return {JsonFault{"invalid_utf8", first_invalid_utf8(text), "this is not UTF-8"}, {}};
  }
  if (text.starts_with("\xEF\xBB\xBF")) {
    return {JsonFault{"invalid_json", 0, "a byte order mark is not allowed"}, {}};
  }
  return Checker{text, depth_max}.run();
}

}  // namespace turnpike::wire
