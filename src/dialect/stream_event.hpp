// The common form of an answer on its way between dialects: what any provider says, block by block,
// in its own order.
//
//   answer := Start block* UsageReport* Stop+ End | … Failure        block := BlockStart (Delta |
//   Opaque)* BlockStop
//
// Blocks of one choice are numbered from 0 in the order in which they begin and may interleave.
// Whole answers take the same form: one Delta per block. Views point into the decoder and live
// until its next call.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dialect/tool_alias.hpp"
#include "turnpike/error.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::dialect {

enum class BlockKind : std::uint8_t { text, reasoning, refusal, tool_call };

enum class StopReason : std::uint8_t {
  natural,
  stop_sequence,
  length,
  tool_calls,
  content_filter,
  pause,
};

/// A second Start before any content means that the provider began again.
struct Start {
  std::string_view id;
  std::string_view model;
};

struct BlockStart {
  std::int32_t choice = 0;
  std::int32_t block = 0;
  BlockKind kind = BlockKind::text;
  std::string_view id;     // tool calls only
  std::string_view name;   // likewise
  bool free_text = false;  // a tool whose input is not JSON
  std::string_view name_space;  // Responses: where the client's tool lives; empty: nowhere
};

/// Decoded UTF-8 text; for tool calls a piece of the arguments' JSON text.
struct Delta {
  std::int32_t choice = 0;
  std::int32_t block = 0;
  BlockKind kind = BlockKind::text;
  std::string_view bytes;
};

/// State that only the provider can read and wants back: belongs to its block.
struct Opaque {
  enum class Form : std::uint8_t { signature, redacted };
  std::int32_t choice = 0;
  std::int32_t block = 0;
  Form form = Form::signature;
  std::string_view bytes;
};

struct BlockStop {
  std::int32_t choice = 0;
  std::int32_t block = 0;
};

/// Replaces every earlier report: providers count cumulatively.
struct UsageReport {
  Usage usage;
  bool plausible = true;
  bool final = true;  // false: told at the start of a stream, before the output is known
};

struct Stop {
  std::int32_t choice = 0;
  StopReason reason = StopReason::natural;
  std::string_view sequence;  // stop_sequence: the one that ended it, where the provider tells
};

/// The dialect's terminator, or what counts as one. Nothing follows.
struct End {};

/// The answer cannot be completed. Nothing follows.
struct Failure {
  Error error;
};

struct KeepAlive {};

using StreamEvent = std::variant<Start, BlockStart, Delta, Opaque, BlockStop, UsageReport, Stop,
                                 End, Failure, KeepAlive>;
using StreamEvents = std::vector<StreamEvent>;

/// For std::visit.
template <typename... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <typename... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

/// Gives calls of tools that differ upstream their client-side names; the names live in `tools`. A call of a tool that
/// takes text has free_text set, while its pieces are still the JSON of {"input": …}: free_text_of() unwraps them.
void restore_tool_names(StreamEvents& events, const ToolAliases& tools);
/// The text in the arguments {"input": "…"} of a call with free_text; arguments of any other form as they are.
std::string free_text_of(std::string_view arguments);

}  // namespace turnpike::dialect
