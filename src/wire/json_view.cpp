#include "wire/json_view.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "wire/json_walk.hpp"

namespace turnpike::wire {

namespace {

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0U | (code >> 6U));
    put(0x80U | (code & 0x3FU));
  } else if (code < 0x10000) {
    put(0xE0U | (code >> 12U));
    put(0x80U | ((code >> 6U) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  } else {
    put(0xF0U | (code >> 18U));
    put(0x80U | ((code >> 12U) & 0x3FU));
    put(0x80U | ((code >> 6U) & 0x3FU));
    put(0x80U | (code & 0x3FU));
  }
}

/// The UTF-16 unit of the `\uXXXX` at `at`; 0 if there is none.
std::uint32_t unit_at(std::string_view text, std::size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return 0;
  std::uint32_t unit = 0;
  const auto* begin = text.data() + at + 2;
  std::from_chars(begin, begin + 4, unit, 16);
  return unit;
}

/// Appends what the escape at `at` stands for; how many bytes it takes.
std::size_t append_escape(std::string& out, std::string_view text, std::size_t at) {
  switch (text[at + 1]) {
    case 'b':
      out += '\b';
      return 2;
    case 'f':
      out += '\f';
      return 2;
    case 'n':
      out += '\n';
      return 2;
    case 'r':
      out += '\r';
      return 2;
    case 't':
      out += '\t';
      return 2;
    case 'u':
      break;
    default:
      out += text[at + 1];
      return 2;
  }
  const auto unit = unit_at(text, at);
  if (unit < 0xD800 || unit > 0xDFFF) {
    append_utf8(out, unit);
    return 6;
  }
  const auto low = unit < 0xDC00 ? unit_at(text, at + 6) : 0U;
  if (low < 0xDC00 || low > 0xDFFF) {
    append_utf8(out, 0xFFFD);
    return 6;
  }
  append_utf8(out, 0x10000U + ((unit - 0xD800U) << 10U) + (low - 0xDC00U));
  return 12;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string unescape(std::string_view between_quotes) {
  std::string out;
  out.reserve(between_quotes.size());
  std::size_t at = 0;
  while (at < between_quotes.size()) {
    const auto escape = between_quotes.find('\\', at);
    if (escape == std::string_view::npos || escape + 1 >= between_quotes.size()) break;
    out.append(between_quotes, at, escape - at);
    at = escape + append_escape(out, between_quotes, escape);
  }
  out.append(between_quotes, at, between_quotes.size() - at);
  return out;
}

JsonView::JsonView(std::string_view validated) : raw_(trimmed(validated)) {}

std::string JsonView::text() const {
  return is_string() ? unescape(raw_.substr(1, raw_.size() - 2)) : std::string{};
}

bool JsonView::text_is(std::string_view expected) const {
  if (!is_string()) return false;
  const auto inner = raw_.substr(1, raw_.size() - 2);
  return inner == expected ||
         (inner.find('\\') != std::string_view::npos && unescape(inner) == expected);
}

std::optional<bool> JsonView::boolean() const {
  if (!is_bool()) return std::nullopt;
  return raw_[0] == 't';
}

std::optional<std::int64_t> JsonView::integer() const {
  if (!is_number()) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(raw_.data(), raw_.data() + raw_.size(), number);
  if (error != std::errc{} || end != raw_.data() + raw_.size()) return std::nullopt;
  return number;
}

std::optional<double> JsonView::number() const {
  if (!is_number()) return std::nullopt;
  const double number = std::strtod(std::string{raw_}.c_str(), nullptr);
  if (!std::isfinite(number)) return std::nullopt;
  return number;
}

std::vector<JsonView::Member> JsonView::members() const {
  std::vector<Member> members;
  if (!is_object()) return members;
  members.reserve(8);
  walk_members(raw_, 0, [&](const MemberSpan& span) {
    members.push_back({span.key, JsonView{raw_.substr(span.value_begin, span.value_end - span.value_begin)}});
    return true;
  });
  return members;
}

std::vector<JsonView> JsonView::elements() const {
  std::vector<JsonView> elements;
  if (!is_array()) return elements;
  walk_elements(raw_, 0, [&](std::size_t begin, std::size_t end) {
    elements.emplace_back(raw_.substr(begin, end - begin));
    return true;
  });
  return elements;
}

}  // namespace turnpike::wire
