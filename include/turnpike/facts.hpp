// What is known of a request before anything is decided: read once from the body, never changed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "turnpike/dialect.hpp"
#include "turnpike/usage.hpp"

namespace turnpike {

/// One request of an agent's loop, told apart by structure (roles, tools, headers), never by words inside tool
/// descriptions. Source: product specification, "Difficulty".
enum class StepKind : std::uint8_t {
  human_turn,
  tool_continuation,
  subagent,
  title_or_summary,
  compaction,
  permission_check,
  token_count,
};
std::string_view to_string(StepKind kind);
std::optional<StepKind> parse_step_kind(std::string_view name);

/// Asked reasoning effort, normalised over the dialects. `unset` means the client said nothing.
enum class Effort : std::uint8_t { unset, none, minimal, low, medium, high, xhigh, max };
std::string_view to_string(Effort effort);
std::optional<Effort> parse_effort(std::string_view name);

/// What the answering model must be able to do.
struct Needs {
  bool tools = false;
  bool parallel_tools = false;
  bool vision = false;
  bool documents = false;
  bool audio = false;
  bool json_schema = false;
  bool reasoning = false;
  bool many_choices = false;  // n > 1
  bool logprobs = false;
  bool operator==(const Needs&) const = default;
};

/// Counters over the loop so far; "recent" means the last 6 tool results.
struct TraceCounters {
  std::int32_t tool_results = 0;
  std::int32_t tool_results_since_human = 0;
  std::int32_t errors_recent = 0;        // recent results that look failed (is_error, non-zero exit, error words)
  std::int32_t error_streak = 0;         // failed results in a row at the end
  std::int32_t error_words_recent = 0;   // error words in the recent results
  std::int32_t repeats_exact = 0;        // calls equal in name and normalised arguments to an earlier call
  std::int32_t repeats_recent = 0;       // of those, among the last 6 calls
  std::int32_t edits = 0;                // calls that look like an edit
  std::int32_t test_runs = 0;            // calls that look like a test run
  std::int32_t human_turns = 0;
  std::int32_t assistant_turns = 0;
  std::int32_t repeats_near = 0;         // of the last 6 calls: equal to an earlier one but for numbers, case and blanks
  std::int32_t steps_since_human = 0;    // the assistant's turns after the last one that a person wrote
  std::int32_t tests_passed_recent = 0;  // recent results of calls that look like a test run, by how they ended
  std::int32_t tests_failed_recent = 0;
  bool operator==(const TraceCounters&) const = default;
};

/// 128 bits, keyed: equal hashes mean equal texts. Good for one process, since the key is drawn at its start.
struct PromptHash {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const PromptHash&) const = default;
};

/// The prompt from its first message to the end of one of them, without what stands in front of all messages.
struct PromptMark {
  PromptHash hash;              // of roles, texts, calls and media in their order; cache marks and JSON blanks change nothing
  std::int64_t text_bytes = 0;  // its share of RequestFacts::text_bytes
  std::int32_t messages = 0;    // its share of RequestFacts::messages
  std::int32_t media = 0;       // its share of RequestFacts::images + files
};

/// What shows that a prompt begins like another one.
struct PromptTrail {
  PromptHash head;              // tools, system instructions and answer format outside of the messages
  std::int64_t head_bytes = 0;  // their share of RequestFacts::text_bytes
  std::vector<PromptMark> marks;  // of the last messages, at most marks_max, in their order
  static constexpr std::size_t marks_max = 1024;
};

struct RequestFacts {
  Dialect dialect = Dialect::openai_chat;
  std::string model;  // as the client wrote it
  bool stream = false;
  StepKind step = StepKind::human_turn;
  bool step_declared = false;  // `step` is what the client says it is; the request alone would not show it

  std::string question;   // last human text without harness boilerplate; head and tail window, at most 8 KiB
  std::string tool_tail;  // last 2 KiB of the last tool result; empty outside a tool loop
  std::int64_t question_bytes = 0;       // of the whole question, pasted context excluded
  std::int64_t context_bytes = 0;        // pasted passages and code fences in the last human text
  std::int64_t fenced_code_bytes = 0;

  Needs needs;
  Effort effort = Effort::unset;
  /// Calls of tools that the provider runs: at most so many, 0 for a tool that is not declared. Only tools that reach a
  /// provider of the client's own dialect; others do not survive the translation.
  PerServerTool server_calls{};
  static constexpr std::int64_t server_calls_unbounded = INT64_MAX;  // declared, and the client says no number
  /// A declared tool of the provider's that has a fee and no class of its own: "googleMaps". Empty: none.
  std::string unpriced_tool;
  std::optional<std::int64_t> output_tokens_max;  // the largest of the client's spellings
  std::int64_t choices = 1;                       // n

  std::int32_t messages = 0;
  std::int32_t tools = 0;
  std::int32_t images = 0;
  std::int32_t files = 0;        // documents and sound
  std::int64_t text_bytes = 0;   // UTF-8 bytes of all decoded texts incl. tool schemas and arguments
  std::int64_t body_bytes = 0;
  bool hour_cache = false;       // some cache mark asks for entries that live an hour, which are written at a price of their own
  TraceCounters trace;
  PromptTrail trail;

  /// Stable over the turns of one conversation: session header or prompt_cache_key if present, else a hash of the
  /// system prompt's first bytes and the first human message. 16 hex digits.
  std::string conversation;
  /// True if the last message(s) are tool results: this step continues the loop that the last human turn began.
  bool in_tool_loop = false;

  /// Upper bound of the prompt's tokens: text bytes + 1024 + 16 per message + 64 per tool (+ the model's maximum per
  /// image or file, which the caller adds). Source: reliability specification, "Admission".
  [[nodiscard]] std::int64_t prompt_tokens_bound() const {
    return text_bytes + 1024 + 16 * std::int64_t{messages} + 64 * std::int64_t{tools};
  }
};

}  // namespace turnpike
