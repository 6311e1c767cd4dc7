// Puts a history into the shape that block-structured providers insist on: user and assistant take
// turns, every call is answered in the very next user turn, no empty text, ids within the charset
// and unique. Agents' histories are interrupted, compacted and cut, so each of these happens
// (wire-formats "Structural 400s to prevent").
//
// Local and deterministic: what stands before a turn is not changed by what comes after it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "dialect/ir.hpp"

namespace turnpike::dialect {

namespace ir {

struct Turn {
  enum class Who : std::uint8_t { user, assistant, system };
  Who who = Who::user;
  std::vector<ir::Block> blocks;  // user: tool results first, in the order of the calls
};

struct Conversation {
  std::vector<ir::Text> system;  // the leading system messages, a block each
  std::vector<Turn> turns;       // begins with a user turn; never empty
};

}  // namespace ir

/// What stands for a picture or file of the model's own turn where the target takes none there.
inline constexpr std::string_view file_of_assistant = "(A file of the assistant stood here.)";

struct RepairRules {
  bool mid_system =
      false;  // later system messages keep their role; else <system>-tagged user text, in place
  bool end_with_user = false;  // a trailing assistant turn is refused
};

ir::Conversation repair(std::vector<ir::Message> messages, const RepairRules& rules);

}  // namespace turnpike::dialect
