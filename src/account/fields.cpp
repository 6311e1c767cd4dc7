#include "account/fields.hpp"

#include <memory>

namespace turnpike::account {

namespace {

std::string escaped(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (const char c : value) {
    if (c == '%') {
      out += "%25";
    } else if (c == '\n') {
      out += "%0A";
    } else if (c == '\r') {
      out += "%0D";
    } else {
      out += c;
    }
  }
  return out;
}

std::string unescaped(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto code = value.substr(i, 3);
    if (code == "%25") {
      out += '%';
    } else if (code == "%0A") {
      out += '\n';
    } else if (code == "%0D") {
      out += '\r';
    } else {
      out += value[i];
      continue;
    }
    i += 2;
  }
  return out;
}

std::optional<std::int64_t> parse_number(std::string_view text) {
  std::int64_t value = 0;
  const char* begin = std::to_address(text.begin());
  const char* end = std::to_address(text.end());
  const auto [stop, fault] = std::from_chars(begin, end, value);
  if (fault != std::errc{} || stop != end) return std::nullopt;
  return value;
}

}  // namespace

Fields::Fields(std::string_view text) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    const auto equals = line.find('=');
    if (equals != std::string_view::npos) {
      lines_.emplace_back(std::string{line.substr(0, equals)}, unescaped(line.substr(equals + 1)));
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
}

void Fields::add(std::string_view key, std::string_view value) { lines_.emplace_back(key, value); }

std::string Fields::text(std::string_view key) const {
  for (const auto& [name, value] : lines_) {
    if (name == key) return value;
  }
  return {};
}

std::vector<std::string> Fields::all(std::string_view key) const {
  std::vector<std::string> values;
  for (const auto& [name, value] : lines_) {
    if (name == key) values.push_back(value);
  }
  return values;
}

std::optional<std::int64_t> Fields::number(std::string_view key) const {
  for (const auto& [name, value] : lines_) {
    if (name == key) return parse_number(value);
  }
  return std::nullopt;
}

std::string Fields::str() const {
  std::string out;
  for (const auto& [name, value] : lines_) {
    out += name;
    out += '=';
    out += escaped(value);
    out += '\n';
  }
  return out;
}

std::optional<std::vector<std::int64_t>> parse_numbers(std::string_view text) {
  std::vector<std::int64_t> numbers;
  while (true) {
    const auto blank = text.find(' ');
    const auto number = parse_number(text.substr(0, blank));
    if (!number) return std::nullopt;
    numbers.push_back(*number);
    if (blank == std::string_view::npos) return numbers;
    text.remove_prefix(blank + 1);
  }
}

}  // namespace turnpike::account
