#include "wire/json_places.hpp"

#include <algorithm>

namespace turnpike::wire {

std::size_t JsonPlaces::token_at(std::size_t begin) const {
  return static_cast<std::size_t>(std::ranges::lower_bound(tokens_, begin) - tokens_.begin());
}

/// The token behind the value that begins with `token`.
std::size_t JsonPlaces::token_behind(std::size_t token) const {
  const char* const body = body_.data();
  const std::uint32_t* at = tokens_.data() + token;
  std::size_t depth = 0;
  do {
    const char c = static_cast<char>(body[*at++] |
                                     0x20);  // '[' and ']' become '{' and '}'; no other token does
    depth += static_cast<std::size_t>(c == '{');
    depth -= static_cast<std::size_t>(c == '}');
  } while (depth != 0);
  return static_cast<std::size_t>(at - tokens_.data());
}

/// One past the last byte of what stands before `token`.
std::size_t JsonPlaces::end_before(std::size_t token) const {
  std::size_t end = tokens_[token];
  while (is_blank(body_[end - 1])) --end;
  return end;
}

std::vector<MemberSpan> JsonPlaces::members(std::size_t begin) const {
  std::vector<MemberSpan> members;
  // name, colon, value of one or more tokens, comma
  for (auto token = token_at(begin) + 1; at(token) == '"';) {
    const auto behind = token_behind(token + 2);
    const std::size_t key_begin = tokens_[token];
    members.push_back({.key = body_.substr(key_begin + 1, end_before(token + 1) - key_begin - 2),
                       .key_begin = key_begin,
                       .value_begin = tokens_[token + 2],
                       .value_end = end_before(behind)});
    if (at(behind) == '}') break;
    token = behind + 1;
  }
  return members;
}

std::vector<ElementSpan> JsonPlaces::elements(std::size_t begin) const {
  std::vector<ElementSpan> elements;
  for (auto token = token_at(begin) + 1; at(token) != ']';) {
    const auto behind = token_behind(token);
    elements.emplace_back(tokens_[token], end_before(behind));
    if (at(behind) == ']') break;
    token = behind + 1;
  }
  return elements;
}

}  // namespace turnpike::wire
