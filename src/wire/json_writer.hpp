// Appends JSON text to a string, in the order of the calls. Fragments cut from validated input go in as they came
// (raw), so that number text, key order and escapes survive: the reason why no tree is built for the hot path.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace turnpike::wire {

/// Quotes and escapes as JSON requires. With `line_separators` U+2028 and U+2029 are escaped as well (Gemini clients
/// break on them raw). Input must be valid UTF-8.
void append_quoted(std::string& out, std::string_view text, bool line_separators = false);

class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view{text}); }
  JsonWriter& value(bool flag);
  JsonWriter& value(std::int64_t number);
  JsonWriter& value(int number) { return value(std::int64_t{number}); }
  JsonWriter& value(double number);
  JsonWriter& null();
  /// Valid JSON text of one value, copied.
  JsonWriter& raw(std::string_view json);
  template <typename T>
  JsonWriter& member(std::string_view name, T content) {
    key(name);
    return value(content);
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();
  std::string& out_;
  bool first_ = true;     // no comma before the next element
  bool after_key_ = false;
};

}  // namespace turnpike::wire
