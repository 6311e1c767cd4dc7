// Steps through JSON text that has been checked already: where a string, a value, a member ends. Nothing is decoded.
#pragma once

#include <cstddef>
#include <string_view>

namespace turnpike::wire {

inline bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

inline std::size_t skip_blanks(std::string_view text, std::size_t at) {
  while (is_blank(text[at])) ++at;
  return at;
}

/// One past the closing quote of the string whose opening quote is at `at`; the text's size if there is none.
std::size_t string_end(std::string_view text, std::size_t at);

/// One past the value that begins at `at`. A container is walked bracket by bracket, strings in one leap.
std::size_t value_end(std::string_view text, std::size_t at);

/// Where a member stands in the text.
struct MemberSpan {
  std::string_view key;   // between the quotes, escapes left as they are
  std::size_t key_begin;  // of the opening quote
  std::size_t value_begin;
  std::size_t value_end;  // one past the value
};

/// The members of the object whose '{' is at `begin`, in order, until `visit(MemberSpan)` says false.
template <typename Visit>
void walk_members(std::string_view text, std::size_t begin, Visit visit) {
  auto at = skip_blanks(text, begin + 1);
  while (text[at] != '}') {
    MemberSpan member{};
    member.key_begin = at;
    const auto key_end = string_end(text, at);
    member.key = text.substr(at + 1, key_end - at - 2);
    member.value_begin = skip_blanks(text, skip_blanks(text, key_end) + 1);
    member.value_end = value_end(text, member.value_begin);
    if (!visit(member)) return;
    at = skip_blanks(text, member.value_end);
    if (text[at] == ',') at = skip_blanks(text, at + 1);
  }
}

/// The elements of the array whose '[' is at `begin`, until `visit(begin, end)` says false.
template <typename Visit>
void walk_elements(std::string_view text, std::size_t begin, Visit visit) {
  auto at = skip_blanks(text, begin + 1);
  while (text[at] != ']') {
    const auto end = value_end(text, at);
    if (!visit(at, end)) return;
    at = skip_blanks(text, end);
    if (text[at] == ',') at = skip_blanks(text, at + 1);
  }
}

}  // namespace turnpike::wire
