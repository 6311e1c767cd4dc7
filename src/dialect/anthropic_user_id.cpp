#include "dialect/anthropic_user_id.hpp"

#include "wire/json_check.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

namespace {

constexpr std::string_view session_mark = "_session_";
constexpr std::size_t depth_max = 4;

}  // namespace

AnthropicUserId read_anthropic_user_id(std::string_view text) {
  if (text.starts_with('{') && !wire::check_json(text, depth_max).fault) {
    const wire::JsonFields fields{wire::JsonView{text}};
    AnthropicUserId id{fields["account_uuid"].text(), fields["session_id"].text()};
    if (id.user.empty()) id.user = fields["device_id"].text();
    if (id.user.empty()) id.user = text;
    return id;
  }
  const auto mark = text.rfind(session_mark);
  if (mark == std::string_view::npos || mark == 0) return {std::string{text}, {}};
  return {std::string{text.substr(0, mark)}, std::string{text.substr(mark + session_mark.size())}};
}

}  // namespace turnpike::dialect
