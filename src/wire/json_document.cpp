#include "wire/json_document.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "wire/json_check.hpp"

namespace turnpike::wire {

namespace {

constexpr std::size_t own_parser_above = std::size_t{1} << 20U;

/// simdjson counts an innermost empty container not at all and refuses a non-empty one at its
/// limit: with this limit it accepts nothing deeper than json_depth_max, and refuses a few bodies
/// that the second look then lets through.
constexpr std::size_t strict_depth = json_depth_max;
constexpr std::size_t generous_depth = json_depth_max + 2;

/// Where the first `\u` at or after `from` may be; size() if there is none. Compares 64 bytes at a
/// time in a form that compilers turn into vector code: a hit is rare, and memmem is eight times
/// slower here.
std::size_t find_unicode_escape(std::string_view text, std::size_t from) {
  const char* data = text.data();
  std::size_t at = from;
  for (; at + 65 <= text.size(); at += 64) {
    unsigned char hit = 0;
    for (std::size_t i = 0; i < 64; ++i) {
      hit |= static_cast<unsigned char>(static_cast<unsigned char>(data[at + i] == '\\') &
                                        static_cast<unsigned char>(data[at + i + 1] == 'u'));
    }
    if (hit != 0) break;
  }
  const auto found = text.find("\\u", at);
  return found == std::string_view::npos ? text.size() : found;
}

/// The four hexadecimal digits behind the `\u` at `at`; -1 if they are not all there.
int unit_at(std::string_view text, std::size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return -1;
  int unit = 0;
  for (std::size_t i = at + 2; i < at + 6; ++i) {
    const char c = text[i];
    int digit = 0;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      digit = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = c - 'A' + 10;
    } else {
      return -1;
    }
    unit = unit * 16 + digit;
  }
  return unit;
}

bool is_high(int unit) { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_low(int unit) { return unit >= 0xDC00 && unit <= 0xDFFF; }

/// True if the backslash at `at` is itself the second half of `\\`.
bool is_escaped(std::string_view text, std::size_t at) {
  std::size_t before = at;
  while (before > 0 && text[before - 1] == '\\') --before;
  return (at - before) % 2 == 1;
}

Error fault_error(const JsonFault& fault) {
  return client_error(std::string{fault.code},
                      fmt::format("The request body is not acceptable JSON at byte {}: {}.",
                                  fault.byte, fault.what));
}

/// A copy in which every number that is too large for the parser is one of the same length that is
/// not, so that the tape can be built; the strings on the tape are its own copies.
std::string with_tame_numbers(const std::string& body, const JsonCheck& check) {
  std::string tame;
  tame.reserve(body.size() + json_slack);
  tame = body;
  for (const auto& [begin, end] : check.huge_numbers) {
    const auto first = begin + (body[begin] == '-' ? 1 : 0);
    tame.replace(first, end - first, end - first, '9');
    tame[first + 1] = '.';
  }
  return tame;
}

simdjson::dom::parser& thread_parser() {
  thread_local simdjson::dom::parser parser;
  return parser;
}

simdjson::error_code parse_into(simdjson::dom::parser& parser, std::size_t depth,
                                const std::string& body, simdjson::dom::element& root) {
  const auto capacity = std::max(body.size(), parser.capacity());
  if (parser.capacity() < body.size() || parser.max_depth() != depth) {
    if (const auto error = parser.allocate(std::max<std::size_t>(capacity, 4096), depth))
      return error;
  }
  return parser.parse(body.data(), body.size(), false).get(root);
}

}  // namespace

/// Outside strings a backslash is a fault that the parser reports.
std::uint32_t repair_surrogate_escapes(std::string& text) {
  std::uint32_t repaired = 0;
  std::size_t at = find_unicode_escape(text, 0);
  while (at < text.size()) {
    std::size_t length = 2;
    const int unit = is_escaped(text, at) ? -1 : unit_at(text, at);
    if (unit >= 0) {
      length = 6;
      if (is_high(unit) && is_low(unit_at(text, at + 6))) {
        length = 12;
      } else if (is_high(unit) || is_low(unit)) {
        text.replace(at, 6, "\\ufffd");
        ++repaired;
      }
    }
    at = find_unicode_escape(text, at + length);
  }
  return repaired;
}

Result<JsonDocument> JsonDocument::parse(std::string& body) {
  if (body.empty())
    return std::unexpected{fault_error({"empty_body", 0, "there is no JSON document"})};
  body.reserve(body.size() + json_slack);
  const auto repaired = repair_surrogate_escapes(body);
  std::shared_ptr<simdjson::dom::parser> own;
  if (body.size() > own_parser_above) own = std::make_shared<simdjson::dom::parser>();
  auto& parser = own ? *own : thread_parser();

  simdjson::dom::element root;
  if (body.starts_with("\xEF\xBB\xBF") ||
      parse_into(parser, strict_depth, body, root) != simdjson::SUCCESS) {
    const auto check = check_json(body, json_depth_max);
    if (check.fault) return std::unexpected{fault_error(*check.fault)};
    const auto tame = with_tame_numbers(body, check);
    if (const auto error = parse_into(parser, generous_depth, tame, root)) {
      return std::unexpected{
          client_error("invalid_json", fmt::format("The request body is not acceptable JSON: {}.",
                                                   simdjson::error_message(error)))};
    }
  }
  const auto& tokens = *parser.implementation;
  const JsonPlaces places{body, {tokens.structural_indexes.get(), tokens.n_structural_indexes}};
  return JsonDocument{root, places, repaired, std::move(own)};
}

std::vector<MemberSpan> top_level_members(std::string_view validated_object) {
  std::vector<MemberSpan> members;
  walk_members(validated_object, skip_blanks(validated_object, 0), [&](const MemberSpan& member) {
    members.push_back(member);
    return true;
  });
  return members;
}

}  // namespace turnpike::wire
