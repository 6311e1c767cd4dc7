#include "dialect/anthropic_body.hpp"

#include <fmt/format.h>

#include <utility>

#include "wire/json_splice.hpp"

namespace turnpike::dialect {

AnthropicBody::AnthropicBody(const std::string& body)
    : body_(body), members_(wire::JsonView{body}.members()), changes_(members_.size()) {}

void AnthropicBody::set(std::string_view key, std::string json) {
  if (auto* change = find(key)) {
    *change = std::move(json);
  } else {
    added_ += fmt::format(R"(,"{}":{})", key, json);
  }
}

void AnthropicBody::remove(std::string_view key) {
  if (auto* change = find(key)) *change = Removed{};
}

std::string AnthropicBody::apply(std::size_t object_end) const {
  std::vector<wire::Splice> splices;
  bool kept_before = false;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (!std::holds_alternative<Removed>(changes_[i])) {
      if (const auto* json = std::get_if<std::string>(&changes_[i]))
        splices.push_back({begin_of(i), end_of(i), *json});
      kept_before = true;
    } else if (kept_before) {
      splices.push_back({end_of(i - 1), end_of(i), {}});  // with the comma before it
    } else {
      const bool last = i + 1 == members_.size();
      splices.push_back({name_of(i), last ? end_of(i) : name_of(i + 1), {}});
    }
  }
  if (!added_.empty()) splices.push_back({object_end, object_end, added_});
  return wire::apply(body_, std::move(splices));
}

AnthropicBody::Change* AnthropicBody::find(std::string_view key) {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].is(key)) return &changes_[i];
  }
  return nullptr;
}

std::size_t AnthropicBody::offset(std::string_view part) const {
  return static_cast<std::size_t>(part.begin() - std::string_view{body_}.begin());
}
std::size_t AnthropicBody::name_of(std::size_t i) const { return offset(members_[i].key) - 1; }
std::size_t AnthropicBody::begin_of(std::size_t i) const { return offset(members_[i].value.raw()); }
std::size_t AnthropicBody::end_of(std::size_t i) const {
  return begin_of(i) + members_[i].value.raw().size();
}

}  // namespace turnpike::dialect
