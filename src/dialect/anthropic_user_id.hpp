// What clients put into metadata.user_id. Claude Code writes JSON into the string
// ({"device_id":…,"account_uuid":…,"session_id":…}), older ones "user_…_account_…_session_…".
#pragma once

#include <string>
#include <string_view>

namespace turnpike::dialect {

struct AnthropicUserId {
  std::string user;  // the same over all sessions of one person; the whole text if it has no parts
  std::string session;  // empty: the text names none
};

AnthropicUserId read_anthropic_user_id(std::string_view text);

}  // namespace turnpike::dialect
