// The objects of a Responses answer: output items and the response around them. Shared by the
// streamed and the whole form. Source: wire-formats specification §1.3, §7.
//
// Reasoning is written as a summary, not as reasoning_text: Codex and the AI SDK show summaries,
// while raw reasoning is hidden unless asked for. encrypted_content is the gateway's own token
// (issuer_tag.hpp), which clients send back unchanged.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dialect/responses_failure.hpp"
#include "dialect/stream_event.hpp"
#include "dialect/stream_translator.hpp"
#include "turnpike/decision.hpp"
#include "wire/json_writer.hpp"

namespace turnpike::dialect {

/// One item, and what has been collected of it.
struct OutputItem {
  BlockKind kind = BlockKind::text;
  bool free_text = false;  // custom_tool_call
  bool wrapped = false;    // free text that comes as the JSON {"input": …}
  std::string id;
  std::string call_id;
  std::string name;
  std::string name_space;
  std::string text;       // visible text, reasoning, refusal, arguments, or the custom tool's input
  std::string encrypted;  // reasoning: encrypted_content
};

/// The item that a block becomes; `index` is its output_index.
OutputItem item_of(const BlockStart& start, std::size_t index, const StreamOptions& options,
                   const Candidate& candidate);

/// An item that begins: without its text.
void write_begun_item(wire::JsonWriter& json, const OutputItem& item);
void write_item(wire::JsonWriter& json, const OutputItem& item);
/// The one part of a message or of a summary.
void write_part(wire::JsonWriter& json, const OutputItem& item, std::string_view text);

/// What a call's collected text is worth.
enum class CallText : std::uint8_t {
  whole,
  cut,     // the answer ended inside it, as its stop reason explains: nobody may run it
  broken,  // the arguments are no JSON object, or the tool has no name
};
/// `reason` is that of the answer, `last` says that the answer ended with this call.
CallText judge_call(const OutputItem& item, StopReason reason, bool last);
/// Puts the text of a whole call into its final form: "{}" for no arguments, the input itself for
/// free text.
void finish_call(OutputItem& item);
/// The Error for a broken one.
Error broken_call(const Candidate& candidate);

bool is_call(const OutputItem& item);
bool is_blank(std::string_view text);
bool is_json_object(std::string_view text);

/// The state of a response that differs from event to event.
struct ResponseState {
  std::string_view status = "in_progress";
  std::string_view incomplete_reason;     // empty: null
  const ResponsesError* error = nullptr;  // null
  const Usage* usage = nullptr;           // null
  std::string_view output;                // items as JSON text, separated by commas
};

/// Writes response objects with the same head and the same echo of the request.
class ResponseWriter {
 public:
  /// `options` must outlive it.
  explicit ResponseWriter(const StreamOptions& options);
  void write(wire::JsonWriter& json, const ResponseState& state) const;

 private:
  const StreamOptions& options_;
  std::string echo_;  // members, each after a comma: the client's own and the defaults of those
                      // that SDKs require
};

}  // namespace turnpike::dialect
