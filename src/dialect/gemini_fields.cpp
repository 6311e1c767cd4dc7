#include "dialect/gemini_fields.hpp"

namespace turnpike::dialect {

namespace {

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
char lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_snake_of(std::string_view key, std::string_view camel) {
  std::size_t at = 0;
  const auto next_is = [&](char expected) {
    const bool same = at < key.size() && key[at] == expected;
    ++at;
    return same;
  };
  for (const char c : camel) {
    if (is_upper(c) && !next_is('_')) return false;
    if (!next_is(lower(c))) return false;
  }
  return at == key.size();
}

}  // namespace

std::string snake_case(std::string_view camel) {
  std::string snake;
  for (const char c : camel) {
    if (is_upper(c)) snake += '_';
    snake += lower(c);
  }
  return snake;
}

std::string camel_case(std::string_view key) {
  std::string camel;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const bool hump = key[i] == '_' && i > 0 && i + 1 < key.size() && is_lower(key[i + 1]);
    camel += hump ? static_cast<char>(key[++i] - 'a' + 'A') : key[i];
  }
  return camel;
}

bool is_gemini_key(std::string_view key, std::string_view camel) {
  return key == camel || is_snake_of(key, camel);
}

const wire::JsonView::Member* GeminiFields::find(std::string_view camel) const {
  for (const auto& member : members_) {
    if (is_gemini_key(member.key, camel)) return &member;
    if (member.key.find('\\') != std::string_view::npos &&
        is_gemini_key(wire::unescape(member.key), camel)) {
      return &member;
    }
  }
  return nullptr;
}

std::vector<wire::JsonView> gemini_list(wire::JsonView value) {
  if (value.is_object()) return {value};
  return value.elements();
}

wire::JsonView generate_request(wire::JsonView body) {
  const auto wrapped = GeminiFields{body}["generateContentRequest"];
  return wrapped.is_object() ? wrapped : body;
}

}  // namespace turnpike::dialect
