// The first look at a body: is it acceptable at all, and where stand the values that decisions are
// read from? Rules: reliability specification, "JSON input rules".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "turnpike/dialect.hpp"
#include "turnpike/error.hpp"

namespace turnpike::wire {
class JsonDocument;
}

namespace turnpike::dialect {

/// Bytes [begin, end) of the body.
struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// What the gateway itself reads from a body, and the places it may rewrite. Offsets are those of
/// the body that read_view was given and stay valid as long as its bytes do. A plain value.
struct RequestView {
  std::string model;  // unescaped, 1..256 bytes, no control characters
  bool stream = false;
  bool include_usage = false;  // the client wants the usage chunk
  std::optional<std::int64_t>
      output_tokens_max;     // the larger of the client's spellings, in [1, 2^31 - 1]
  std::int64_t choices = 1;  // n, in [1, 128]

  ByteRange model_value;
  std::optional<ByteRange> stream_options;         // its value; may be null
  std::optional<ByteRange> max_tokens;  // max_tokens, max_output_tokens or maxOutputTokens: if it is a number
  std::optional<ByteRange> max_completion_tokens;  // likewise
  std::optional<ByteRange> reasoning_effort;       // its value, if it is a string
  std::optional<ByteRange> thinking;               // its value; may be null
  std::optional<ByteRange> response_format;        // its value; may be null
  bool developer_role = false;    // some message has the role "developer"
  bool calls_in_history = false;  // some assistant message has tool calls
  // Chat: the messages of the two lines above. Only these may need a repair, and most bytes are in others.
  std::vector<ByteRange> messages_to_repair;
  ByteRange messages;  // messages, input or contents: the value with its brackets (input may be a string)
  bool refers_to_items = false;  // Responses: store is not false, so that item references may follow
  bool wants_thoughts = false;  // Gemini: includeThoughts; the other dialects always show what there is
  bool opaque_state = false;  // some block brings a signature, encrypted content or redacted thinking
  std::string previous_response_id;  // Responses: the answer this one continues, kept by its provider
  std::size_t object_end = 0;                      // of the closing brace of the body
  std::uint32_t repaired_surrogates = 0;
};

/// Validates the whole body (JSON grammar, UTF-8, depth, duplicate and case-variant decision keys,
/// types and ranges) and reads the view. May write U+FFFD over lone surrogate escapes in `body`.
/// Errors: origin client, status 400, `param` holds the JSON path of the field at fault.
Result<RequestView> read_view(Dialect client, std::string& body);

/// The 400 for what cannot be a model's name: nothing, above 256 bytes, control characters. Gemini's clients name
/// the model in the path, where no body's rules have seen it.
std::optional<Error> model_name_fault(std::string_view model);

/// What the request is for: a prompt that is only counted needs no limit of the answer (Messages).
enum class Purpose : std::uint8_t { answer, count };

/// The same for a body that has been parsed already, so that facts can be read from the same document.
Result<RequestView> read_view(Dialect client, const std::string& body, const wire::JsonDocument& document,
                              Purpose purpose = Purpose::answer);

}  // namespace turnpike::dialect
