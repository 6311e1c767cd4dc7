#include "catalog/toml_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>

#include "catalog/toml_plus_plus.hpp"

namespace turnpike::catalog {
namespace {

constexpr std::size_t float_digits_max =
    15;  // every decimal of so many digits survives the way through a double

/// The shortest decimal that reads back as the same double, or "" if it is not surely what was
/// written.
std::string short_decimal(double value) {
  std::array<char, 64> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  if (end.ec != std::errc{}) return "";
  std::string text{buffer.data(), end.ptr};
  const auto digits =
      std::count_if(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (static_cast<std::size_t>(digits) > float_digits_max ||
      text.find_first_not_of("-0123456789.") != std::string::npos)
    return "";
  return text;
}

TomlPosition position_of(const toml::source_region& region) {
  return {static_cast<int>(region.begin.line), static_cast<int>(region.begin.column)};
}

Instant instant_of(const toml::date& date) {
  return std::chrono::sys_days{std::chrono::year{date.year} / date.month / date.day};
}

/// `value` has an offset.
Instant instant_of(const toml::date_time& value) {
  const auto offset = value.offset.value_or(toml::time_offset{});
  using namespace std::chrono;
  return instant_of(value.date) + hours{value.time.hour} + minutes{value.time.minute} +
         seconds{value.time.second} +
         duration_cast<microseconds>(nanoseconds{value.time.nanosecond}) - minutes{offset.minutes};
}

/// Copies a parsed document into nodes of our own. toml++ bounds the nesting, so recursion is safe.
class Copier {
 public:
  static TomlNode copy(const toml::node& source) {
    TomlNode node;
    node.at = position_of(source.source());
    switch (source.type()) {
      case toml::node_type::table:
        copy_table(*source.as_table(), node);
        break;
      case toml::node_type::array:
        copy_array(*source.as_array(), node);
        break;
      case toml::node_type::string:
        node.kind = TomlKind::string;
        node.text = source.as_string()->get();
        break;
      case toml::node_type::integer:
        node.kind = TomlKind::integer;
        node.integer = source.as_integer()->get();
        break;
      case toml::node_type::floating_point:
        node.kind = TomlKind::floating;
        node.text = short_decimal(source.as_floating_point()->get());
        break;
      case toml::node_type::boolean:
        node.kind = TomlKind::boolean;
        node.boolean = source.as_boolean()->get();
        break;
      default:
        copy_time(source, node);
        break;
    }
    return node;
  }

 private:
  static void copy_table(const toml::table& source, TomlNode& node) {
    node.kind = TomlKind::table;
    for (const auto& [key, value] : source) {
      node.entries.push_back({std::string{key.str()}, position_of(key.source()), copy(value)});
    }
    std::sort(node.entries.begin(), node.entries.end(), [](const TomlEntry& a, const TomlEntry& b) {
      return std::pair{a.at.line, a.at.column} < std::pair{b.at.line, b.at.column};
    });
  }

  static void copy_array(const toml::array& source, TomlNode& node) {
    node.kind = TomlKind::array;
    node.items.reserve(source.size());
    for (const auto& item : source) node.items.push_back(copy(item));
  }

  // A date-time without an offset names no instant; it keeps the kind `time`, which no reader
  // accepts.
  static void copy_time(const toml::node& source, TomlNode& node) {
    node.kind = TomlKind::time;
    if (const auto* date = source.as_date()) {
      node.kind = TomlKind::instant;
      node.instant = instant_of(date->get());
    } else if (const auto* moment = source.as_date_time();
               moment != nullptr && moment->get().offset) {
      node.kind = TomlKind::instant;
      node.instant = instant_of(moment->get());
    }
  }
};

}  // namespace

std::string_view to_string(TomlKind kind) {
  switch (kind) {
    case TomlKind::string:
      return "a string";
    case TomlKind::integer:
      return "an integer";
    case TomlKind::floating:
      return "a floating number";
    case TomlKind::boolean:
      return "a boolean";
    case TomlKind::instant:
      return "a date";
    case TomlKind::time:
      return "a time without a zone";
    case TomlKind::array:
      return "an array";
    case TomlKind::table:
      return "a table";
  }
  return "a value";
}

std::expected<TomlNode, Fault> parse_toml(std::string_view document, const std::string& file) {
  try {
    const toml::table root = toml::parse(document, file);
    return Copier::copy(root);
  } catch (const toml::parse_error& error) {
    const auto at = position_of(error.source());
    return std::unexpected{
        Fault{file, at.line, at.column, std::string{error.description()}, Severity::error}};
  }
}

std::expected<std::string, Fault> read_file(const std::filesystem::path& path) {
  std::ifstream stream{path, std::ios::binary};
  std::string bytes{std::istreambuf_iterator<char>{stream}, {}};
  if (!stream.is_open() || stream.bad())
    return std::unexpected{Fault{path.generic_string(), 0, 0, "cannot be read", Severity::error}};
  return bytes;
}

}  // namespace turnpike::catalog
