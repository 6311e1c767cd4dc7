// The messages array of a Messages body as raw pieces that can be taken out, changed and joined
// again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/json_view.hpp"

namespace turnpike::dialect {

struct RawBlock {
  enum class Kind : std::uint8_t { text, thinking, redacted, call, result, other };
  Kind kind = Kind::other;
  wire::JsonView raw;
  std::string changed;  // JSON that goes out instead; empty: raw
  bool removed = false;

  [[nodiscard]] bool is_thinking() const {
    return kind == Kind::thinking || kind == Kind::redacted;
  }
  [[nodiscard]] std::string_view json() const { return changed.empty() ? raw.raw() : changed; }
};

struct RawTurn {
  enum class Role : std::uint8_t { user, assistant, system };
  Role role = Role::user;
  wire::JsonView raw;
  wire::JsonView content;
  std::vector<RawBlock> blocks;  // none if the content is a string
  bool changed = false;          // some block differs, came or went
  bool removed = false;

  [[nodiscard]] bool has(RawBlock::Kind kind) const;
  [[nodiscard]] bool has_thinking() const;  // that is not removed
  /// The first block that is not removed; null if there is none.
  [[nodiscard]] const RawBlock* first() const;
  /// The texts of all text blocks, or the string; decoded and joined.
  [[nodiscard]] std::string visible_text() const;
  /// Puts JSON of a block at a place among `blocks`.
  void insert(std::size_t place, RawBlock::Kind kind, std::string json);
};

std::vector<RawTurn> read_raw_turns(wire::JsonView messages);

/// The array again. With `system_to_user` each run of user and system messages that holds a system
/// message becomes one user message: results first, then the rest in its order, system text between
/// <system> tags. User messages that a removed assistant message has brought together are joined
/// likewise.
std::string join_raw_turns(const std::vector<RawTurn>& turns, bool system_to_user,
                           bool end_with_user);

}  // namespace turnpike::dialect
