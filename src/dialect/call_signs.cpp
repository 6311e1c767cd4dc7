#include "dialect/call_signs.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <initializer_list>

#include "dialect/facts_text.hpp"
#include "dialect/plain_words.hpp"
#include "wire/json_walk.hpp"

namespace turnpike::dialect {
namespace {

constexpr std::size_t arguments_normalised_max = 512;
constexpr std::size_t arguments_end_bytes = 1024;
constexpr std::size_t command_bytes_read_max = 512;

constexpr std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 30U;
  x *= 0xBF58476D1CE4E5B9ULL;
  x ^= x >> 27U;
  x *= 0x94D049BB133111EBULL;
  return x ^ (x >> 31U);
}

constexpr std::uint64_t add_byte(std::uint64_t hash, char c) {
  return (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
}

std::uint64_t hash_bytes(std::string_view text, std::uint64_t seed) {
  std::uint64_t hash = seed ^ (text.size() * 0x9E3779B97F4A7C15ULL);
  while (text.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), 8);
    hash = std::rotl(hash ^ word, 23) * 0x9E3779B97F4A7C15ULL;
    text.remove_prefix(8);
  }
  for (const char c : text) hash = add_byte(hash, c);
  return mix(hash);
}

/// Sum over the outermost members of a hash that leaves out blanks between tokens: their order does
/// not matter.
std::uint64_t hash_members(std::string_view json) {
  std::uint64_t sum = 0;
  std::uint64_t member = 0;
  int depth = 0;
  for (std::size_t at = 0; at < json.size();) {
    const char c = json[at];
    if (c == '"') {
      const auto end = wire::string_end(json, at);
      member = hash_bytes(json.substr(at, end - at), member);
      at = end;
      continue;
    }
    ++at;
    if (is_blank(c)) continue;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth <= 1 && (c == ',' || c == '{' || c == '}')) {
      sum += mix(member);
      member = 0;
    } else {
      member = add_byte(member, c) + 1;
    }
  }
  return sum + mix(member);
}

/// What a byte counts as in a rough comparison; 0 for bytes that do not count.
constexpr auto rough_bytes = [] {
  std::array<char, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i) {
    const char c = static_cast<char>(i);
    table[i] = is_blank(c) ? '\0' : is_digit(c) ? '0' : lower(c);
  }
  return table;
}();

std::uint64_t hash_roughly(std::string_view text, std::uint64_t hash) {
  bool in_number = false;
  for (const char c : text) {
    const char rough = rough_bytes[static_cast<unsigned char>(c)];
    if (rough == '\0' || (rough == '0' && in_number)) continue;
    in_number = rough == '0';
    hash = add_byte(hash, rough);
  }
  return mix(hash);
}

bool contains_any(std::string_view lower_case, std::initializer_list<std::string_view> needles) {
  return std::ranges::any_of(needles,
                             [&](std::string_view needle) { return lower_case.contains(needle); });
}

bool is_test_word(std::string_view word) {
  static constexpr WordSet words{std::to_array<std::string_view>(
      {"test", "tests", "pytest", "unittest", "ctest", "jest", "vitest", "rspec", "phpunit"})};
  return words.contains(word);
}

bool has_test_word(std::string_view lower_case) {
  Token token;
  for (Tokens tokens{lower_case}; tokens.next(token);) {
    if (!token.number && is_test_word(token.word)) return true;
  }
  return false;
}

}  // namespace

std::uint64_t hash_call(const Call& call) {
  const std::uint64_t name = hash_bytes(call.name, 1);
  if (call.arguments.size() <= arguments_normalised_max) return name ^ hash_members(call.arguments);
  const auto head =
      hash_bytes(call.arguments.substr(0, arguments_end_bytes), call.arguments.size());
  const auto tail = call.arguments.substr(call.arguments.size() -
                                          std::min(call.arguments.size(), arguments_end_bytes));
  return name ^ hash_bytes(tail, head);
}

std::uint64_t hash_call_roughly(const Call& call) {
  const std::uint64_t name = hash_bytes(call.name, 2);
  if (call.arguments.size() <= arguments_normalised_max) return hash_roughly(call.arguments, name);
  const auto head = hash_roughly(head_of(call.arguments, arguments_end_bytes), name);
  return hash_roughly(tail_of(call.arguments, arguments_end_bytes), head);
}

ToolSigns signs_of_tool(std::string_view name) {
  const LowerCase lower_case{name};
  const auto text = lower_case.text();
  ToolSigns signs;
  if (!contains_any(text, {"shell", "bash", "exec", "command", "terminal", "run"}))
    signs = {.edits = false, .tests = false};
  if (contains_any(text, {"edit", "write", "patch", "replace", "insert", "create_file"}))
    signs.edits = !text.contains("todo");
  if (has_test_word(text)) signs.tests = true;
  return signs;
}

bool looks_like_edit(const Call& call, const ToolSigns& tool) {
  if (tool.edits) return *tool.edits;
  const LowerCase command{call.arguments.substr(0, command_bytes_read_max)};
  return contains_any(command.text(), {"sed -i", "apply_patch", "git apply", "cat >"});
}

bool looks_like_test_run(const Call& call, const ToolSigns& tool) {
  if (tool.tests) return *tool.tests;
  const LowerCase command{call.arguments.substr(0, command_bytes_read_max)};
  Token token;
  for (Tokens tokens{command.text()}; tokens.next(token);) {
    // "cat tests/a.py" reads a test, "make test" runs them.
    const char next = tokens.follower();
    const bool in_path = next == '/' || next == '.' || next == '_';
    if (!token.number && is_test_word(token.word) && !in_path) return true;
  }
  return false;
}

}  // namespace turnpike::dialect
