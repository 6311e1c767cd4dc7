// Members of Gemini's objects under either of their names: the API reads maxOutputTokens and
// max_output_tokens alike. Source: wire-formats specification §1.5.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/json_view.hpp"

namespace turnpike::dialect {

/// "maxOutputTokens" to "max_output_tokens".
std::string snake_case(std::string_view camel);
/// The way back; what is no snake_case stays.
std::string camel_case(std::string_view key);
/// True if `key` is `camel` or the same in snake_case.
bool is_gemini_key(std::string_view key, std::string_view camel);

/// The members of one object, found once; looked up by their camelCase names.
class GeminiFields {
 public:
  explicit GeminiFields(wire::JsonView object) : members_(object.members()) {}
  [[nodiscard]] wire::JsonView operator[](std::string_view camel) const {
    const auto* member = find(camel);
    return member == nullptr ? wire::JsonView{} : member->value;
  }
  [[nodiscard]] const wire::JsonView::Member* find(std::string_view camel) const;
  [[nodiscard]] auto begin() const { return members_.begin(); }
  [[nodiscard]] auto end() const { return members_.end(); }
  [[nodiscard]] bool empty() const { return members_.empty(); }

 private:
  std::vector<wire::JsonView::Member> members_;
};

/// The elements of a list. One object in its place counts as a list of one: the API reads both.
std::vector<wire::JsonView> gemini_list(wire::JsonView value);

/// The object that holds contents: the body, or what a token count wraps into
/// generateContentRequest.
wire::JsonView generate_request(wire::JsonView body);

}  // namespace turnpike::dialect
