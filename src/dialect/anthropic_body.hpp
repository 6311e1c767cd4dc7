// Changes of the body's own members, collected and applied at once: all other bytes stay.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "wire/json_view.hpp"

namespace turnpike::dialect {

/// The body must be an accepted JSON object and outlive this.
class AnthropicBody {
 public:
  explicit AnthropicBody(const std::string& body);

  /// Later changes of a member replace earlier ones. A member that is not there comes last.
  void set(std::string_view key, std::string json);
  void remove(std::string_view key);
  /// At least one member must stay. `object_end` is the place of the closing brace.
  [[nodiscard]] std::string apply(std::size_t object_end) const;

 private:
  struct Kept {};
  struct Removed {};
  using Change = std::variant<Kept, Removed, std::string>;
  Change* find(std::string_view key);
  [[nodiscard]] std::size_t offset(std::string_view part) const;
  [[nodiscard]] std::size_t name_of(std::size_t i) const;
  [[nodiscard]] std::size_t begin_of(std::size_t i) const;
  [[nodiscard]] std::size_t end_of(std::size_t i) const;

  const std::string& body_;
  std::vector<wire::JsonView::Member> members_;
  std::vector<Change> changes_;  // one for each member
  std::string added_;
};

}  // namespace turnpike::dialect
