// Flags of the measuring programs: "--name value", or a switch.
#pragma once

#include <charconv>
#include <cstdint>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

namespace turnpike::bench {

/// A whole number or a share, not negative. Throws std::invalid_argument with a message for people.
template <typename Number>
Number parsed(std::string_view flag, std::string_view text) {
  Number value{};
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end != text.data() + text.size() || value < Number{}) {
    throw std::invalid_argument(std::string{flag} + " wants a number, not \"" + std::string{text} +
                                "\"");
  }
  return value;
}

struct Flags {
  std::map<std::string_view, std::function<void(std::string_view)>> with_value;
  std::map<std::string_view, bool*> switches;

  template <typename Number>
  void number(std::string_view flag, Number& target) {
    with_value[flag] = [flag, &target](std::string_view text) {
      target = parsed<Number>(flag, text);
    };
  }
  void words(std::string_view flag, std::string& target) {
    with_value[flag] = [&target](std::string_view text) { target = text; };
  }
  /// False if help was asked for. Throws std::invalid_argument.
  [[nodiscard]] bool read(int argc, char** argv) const {
    for (int i = 1; i < argc; ++i) {
      const std::string_view flag = argv[i];
      if (flag == "--help" || flag == "-h") return false;
      if (const auto at = switches.find(flag); at != switches.end()) {
        *at->second = true;
        continue;
      }
      const auto setter = with_value.find(flag);
      if (setter == with_value.end())
        throw std::invalid_argument(std::string{flag} + ": unknown flag");
      if (i + 1 == argc) throw std::invalid_argument(std::string{flag} + " wants a value");
      setter->second(argv[++i]);
    }
    return true;
  }
};

}  // namespace turnpike::bench
