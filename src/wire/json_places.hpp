// Where values stand in a parsed body, by the parser's own list of where its tokens begin: the
// bytes between them, which are nearly all, are not looked at again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/json_walk.hpp"

namespace turnpike::wire {

/// Begin and end of an element of an array.
using ElementSpan = std::pair<std::size_t, std::size_t>;

/// Views of a body and of its parser's list; lives as long as both.
class JsonPlaces {
 public:
  /// `tokens`: the offset of every bracket, comma, colon, and of the first byte of every string,
  /// number and word.
  JsonPlaces(std::string_view body, std::span<const std::uint32_t> tokens)
      : body_(body), tokens_(tokens) {}

  /// The members of the object whose '{' is at `begin`, in order.
  [[nodiscard]] std::vector<MemberSpan> members(std::size_t begin) const;
  /// Of the body, which is an object.
  [[nodiscard]] std::vector<MemberSpan> members() const { return members(tokens_.front()); }
  /// The elements of the array whose '[' is at `begin`.
  [[nodiscard]] std::vector<ElementSpan> elements(std::size_t begin) const;

 private:
  [[nodiscard]] char at(std::size_t token) const { return body_[tokens_[token]]; }
  [[nodiscard]] std::size_t token_at(std::size_t begin) const;
  [[nodiscard]] std::size_t token_behind(std::size_t token) const;
  [[nodiscard]] std::size_t end_before(std::size_t token) const;

  std::string_view body_;
  std::span<const std::uint32_t> tokens_;
};

}  // namespace turnpike::wire
