// A request between two dialects: ordered blocks, because order and interleaving carry meaning.
//
// Read by one reader per client dialect (chat_request), put into shape by structural_repair,
// written by one emitter per provider dialect. Raw JSON fragments (schemas, numbers) are views into
// the client's body, which must outlive the request; texts are decoded and owned.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dialect/losses.hpp"
#include "dialect/opaque_store.hpp"
#include "turnpike/facts.hpp"

namespace turnpike::dialect::ir {

enum class Role : std::uint8_t { system, user, assistant, tool };

struct Text {
  std::string text;
  bool cache = false;     // the client marked the end of a cacheable prefix here
  std::string signature;  // Gemini's, restored
};

/// Thinking of an earlier turn. Text without a signature is only good for vendors that take plain
/// reasoning back.
struct Reasoning {
  std::string text;
  std::string signature;  // as the client brought it: a vendor's own, or the gateway's (issuer_tag.hpp)
  bool redacted = false;  // `signature` holds the encrypted data
};

struct Media {
  enum class Kind : std::uint8_t { image, audio, document };
  Kind kind = Kind::image;
  std::string mime;  // empty with a url whose type nobody has told
  std::string data;  // base64; or empty
  std::string url;   // http(s); or empty
  std::string filename;
  bool cache = false;  // as in Text
};

struct ToolCall {
  std::string id;       // the client's, stripped of embedded signatures; may be empty
  std::string wire_id;  // what goes upstream, set by structural_repair
  std::string name;
  std::string arguments;  // JSON text as the client sent it, possibly malformed
  std::string signature;  // Gemini's: embedded in the id, sent along, or restored
};

using ResultPart = std::variant<Text, Media>;

struct ToolResult {
  std::string id;
  std::string wire_id;
  std::string name;  // of the call, resolved by structural_repair
  std::vector<ResultPart> parts;
  bool is_error = false;
  bool cache = false;  // as in Text
};

using Block = std::variant<Text, Reasoning, Media, ToolCall, ToolResult>;

struct Message {
  Role role = Role::user;
  std::vector<Block> blocks;
};

struct Tool {
  std::string name;
  std::string description;
  std::string_view parameters;  // raw JSON Schema; empty: takes nothing
  bool takes_text = false;      // a free-text tool: one string named "input"
  std::string name_space;       // Responses: where the client's tool lives; `name` is unique without it
  std::string client_name;      // the client's name inside name_space; empty: `name`
  bool cache = false;
};

struct ToolChoice {
  enum class Mode : std::uint8_t { unset, automatic, none, required, named };
  Mode mode = Mode::unset;
  std::vector<std::string> names;  // named: one; others: allowed ones, empty for all
};

struct ResponseFormat {
  enum class Kind : std::uint8_t { text, json_object, json_schema };
  Kind kind = Kind::text;
  std::string_view schema;  // raw
};

/// A number as the client wrote it, with its value for comparisons.
struct Number {
  std::string_view raw;
  double value = 0;
};

struct Sampling {
  std::optional<Number> temperature;
  std::optional<Number> top_p;
  std::optional<Number> top_k;
  std::optional<Number> presence_penalty;
  std::optional<Number> frequency_penalty;
  std::optional<Number> seed;
};

struct Request {
  std::vector<Message> messages;
  std::vector<Tool> tools;
  ToolChoice tool_choice;
  bool parallel_calls = true;
  ResponseFormat format;
  std::vector<std::string> stop;
  std::optional<std::int64_t> output_tokens_max;
  Effort effort = Effort::unset;
  std::optional<std::int64_t> thinking_budget;  // tokens, where the client counts in those
  Sampling sampling;
  std::int64_t choices = 1;
  bool logprobs = false;
  std::optional<std::int64_t> top_logprobs;
  std::string user;
  bool stream = false;
  std::string echo;  // Responses: see Outgoing::echo
  Losses losses;
  /// What the views point into if it is not the body: converted schemas.
  std::vector<std::shared_ptr<const std::string>> kept;
};

}  // namespace turnpike::dialect::ir
