// The detail text of rare entries, for people with an SQL shell and for us: lines of key=value.
//
// detail := (key "=" value "\n")*; in values '%', CR and LF are written as %25, %0D and %0A. A key
// may repeat.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace turnpike::account {

class Fields {
 public:
  Fields() = default;
  /// Lines without '=' are skipped: a later version may add what we do not know.
  explicit Fields(std::string_view text);

  void add(std::string_view key, std::string_view value);
  void add(std::string_view key, std::int64_t value) {
    add(key, std::string_view{std::to_string(value)});
  }
  /// Leaves the line out if there is no value.
  template <typename Number>
  void add_if(std::string_view key, const std::optional<Number>& value) {
    if (value) add(key, static_cast<std::int64_t>(*value));
  }

  /// First value of a key; empty if it is missing.
  [[nodiscard]] std::string text(std::string_view key) const;
  [[nodiscard]] std::vector<std::string> all(std::string_view key) const;
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view key) const;
  [[nodiscard]] std::string str() const;

 private:
  std::vector<std::pair<std::string, std::string>> lines_;
};

/// Whole decimal numbers separated by single blanks; nullopt if anything else is there.
std::optional<std::vector<std::int64_t>> parse_numbers(std::string_view text);

}  // namespace turnpike::account
