// A request's messages, laid bare: who speaks, which texts, which calls. Every dialect's reader
// fills one of these; what is concluded from it is concluded once. Views point into the parsed
// document.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::dialect {

enum class Speaker : std::uint8_t { system, human, assistant, tool };

/// Who speaks (system, user, assistant, result), and that a call follows, in the hash of PromptMeter.
constexpr char speaker_tag(Speaker speaker) { return "SUAR"[static_cast<std::size_t>(speaker)]; }
inline constexpr char call_tag = 'c';

struct Turn {
  Speaker speaker = Speaker::human;
  std::size_t parts_begin = 0;  // into Outline::parts
  std::size_t parts_end = 0;
  bool failed = false;  // the client itself marked this tool result as an error
};

struct Call {
  std::string_view name;
  std::string_view arguments;  // JSON text, or what stands in its place
};

struct Outline {
  std::vector<Turn> turns;
  std::vector<std::string_view> parts;  // text parts only
  std::vector<Call> calls;
  /// Texts that the document does not have as such (arguments sent as objects); views point here too.
  std::vector<std::unique_ptr<const std::string>> made;

  [[nodiscard]] std::span<const std::string_view> texts(const Turn& turn) const {
    return std::span{parts}.subspan(turn.parts_begin, turn.parts_end - turn.parts_begin);
  }
};

}  // namespace turnpike::dialect
