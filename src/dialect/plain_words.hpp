// Words and numbers in what tools are told and print: text is put into lower case once, then read
// token by token.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace turnpike::dialect {

inline constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
inline constexpr bool is_letter(char lower_case) { return lower_case >= 'a' && lower_case <= 'z'; }
inline constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline constexpr bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// A bounded piece of text in lower case, on the stack.
class LowerCase {
 public:
  explicit LowerCase(std::string_view text) : size_(std::min(text.size(), bytes_.size())) {
    std::transform(text.data(), text.data() + size_, bytes_.data(), lower);
  }
  [[nodiscard]] std::string_view text() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, 2048> bytes_;
  std::size_t size_;
};

/// A run of letters or of digits.
struct Token {
  std::string_view word;
  bool number = false;

  [[nodiscard]] bool is_zero() const {
    return number && word.find_first_not_of('0') == std::string_view::npos;
  }
};

/// Splits text that is in lower case already.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {}

  bool next(Token& token) {
    std::size_t at = at_;
    while (at < text_.size() && kind_of(text_[at]) == Kind::other) ++at;
    at_ = at;
    if (at >= text_.size()) return false;
    const Kind kind = kind_of(text_[at]);
    while (at < text_.size() && kind_of(text_[at]) == kind) ++at;
    token = {text_.substr(at_, at - at_), kind == Kind::digit};
    at_ = at;
    return true;
  }

  // Of the token that next() gave last.

  /// The byte behind it, 0 at the end.
  [[nodiscard]] char follower() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  /// What stands before it in its line.
  [[nodiscard]] std::string_view line_before(const Token& token) const {
    const auto before = text_.substr(0, at_ - token.word.size());
    return before.substr(before.rfind('\n') + 1);
  }

 private:
  enum class Kind : std::uint8_t { other, letter, digit };
  static Kind kind_of(char c) { return kinds[static_cast<unsigned char>(c)]; }
  static constexpr auto kinds = [] {
    std::array<Kind, 256> table{};
    for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = Kind::letter;
    for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = Kind::digit;
    return table;
  }();

  std::string_view text_;
  std::size_t at_ = 0;
};

/// A few words in lower case. Nearly all others are ruled out by their first letter and length.
template <std::size_t N>
class WordSet {
 public:
  explicit constexpr WordSet(const std::array<std::string_view, N>& words) : words_(words) {
    for (const auto word : words_)
      lengths_[static_cast<std::size_t>(word.front() - 'a')] |= 1U << word.size();
  }

  /// Of a word of letters in lower case.
  [[nodiscard]] constexpr bool contains(std::string_view word) const {
    if (word.size() >= 32 ||
        ((lengths_[static_cast<std::size_t>(word.front() - 'a')] >> word.size()) & 1U) == 0)
      return false;
    return std::ranges::find(words_, word) != words_.end();
  }

 private:
  std::array<std::string_view, N> words_;
  std::array<std::uint32_t, 26> lengths_{};
};

}  // namespace turnpike::dialect
