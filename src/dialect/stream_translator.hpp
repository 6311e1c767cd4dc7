// One streamed answer on its way from a provider's dialect to the client's. No I/O, no clock, one
// thread.
//
// Same dialect: the original bytes of each whole, valid event go on; a reader only watches. Other
// dialects: decoder -> StreamEvent -> encoder. Nothing that a client would notice is appended
// before the first content event, so that until then the gateway may still turn to another
// candidate; what the provider sent before it is held back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "dialect/tool_alias.hpp"
#include "turnpike/decision.hpp"
#include "turnpike/dialect.hpp"
#include "turnpike/error.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::dialect {

class ActionRecorder;
class AnswerStream;
class OpaqueStore;

/// Output items that a Responses client may refer to later. ids: their provider keeps them, only whose they are is noted.
enum class KeepItems : std::uint8_t { no, ids, whole };

/// What both the streamed and the whole answer need to know of the request.
struct StreamOptions {
  Dialect client = Dialect::openai_chat;
  bool include_usage = false;  // the client asked for the usage chunk
  std::string id;              // shown to the client when the answer is translated: "chatcmpl-…"
  std::int64_t created = 0;    // Unix seconds, likewise
  std::string model;           // name shown to the client, likewise
  OpaqueStore* opaque =
      nullptr;        // keeps signatures and reasoning that the client cannot carry; may be null
  std::string owner;  // whose conversations the store may mix: the account
  ToolAliases tools;  // as Outgoing has them: calls come back under the client's names
  /// Responses: members that every response object repeats from the request, as JSON text without braces
  /// ("\"temperature\":0.2,\"store\":false"); as Outgoing has it.
  std::string echo;
  /// Gemini: the client asked for thoughts (includeThoughts); else it gets none.
  bool include_reasoning = true;
  /// Responses: the client may refer to output items by id.
  KeepItems keep_items = KeepItems::no;
  /// Told what the answer proposes to do; null: nobody compares. Outlives the answer.
  ActionRecorder* action = nullptr;
};

/// What the answer turned out to be; grows while it streams.
struct Tally {
  std::string finish;          // finish_reason as the client sees it; empty until known
  std::string response_id;     // the provider's own
  std::string model_returned;  // the provider's name of the model that answered
  std::int64_t tool_calls = 0;
  std::int64_t output_bytes = 0;   // decoded text, reasoning and arguments: the base of an estimate
  bool invalid_tool_json = false;  // a finished call's arguments are not a JSON object
  bool refusal = false;            // the model or its provider's filter refused
  bool state_left = false;         // thinking or signatures that only the provider can read, and wants back
  bool usage_reported = false;
  bool usage_plausible =
      true;  // false: a counter was negative, not an integer or contradicted another
  Usage usage;
};

class StreamTranslator {
 public:
  /// The candidate must outlive the translator, or is given to it.
  StreamTranslator(const Candidate& candidate, StreamOptions options);
  StreamTranslator(Candidate&& candidate, StreamOptions options);
  StreamTranslator(StreamTranslator&&) noexcept;
  StreamTranslator& operator=(StreamTranslator&&) noexcept;
  ~StreamTranslator();

  /// Appends the client-side events that these bytes complete. After a failure or the end, bytes
  /// are ignored.
  void feed(std::string_view bytes, std::string& out);
  /// The upstream body has ended; `transport` says how. Appends the terminator, or the error event
  /// if the stream is not whole and content has begun; before content only failure() is set.
  void end(const Result<void>& transport, std::string& out);
  /// The gateway ends the stream (time-out, drain, no candidate left): appends the dialect's error
  /// event, once.
  void fail(const Error& error, std::string& out);
  /// The dialect's harmless event, for silences. Nothing after the end.
  void heartbeat(std::string& out);

  /// A first text, reasoning, refusal or tool call has been seen, or the clean end of an empty
  /// answer.
  [[nodiscard]] bool content_started() const;
  /// The provider's terminator has been seen and the client's has been appended.
  [[nodiscard]] bool complete() const;
  /// Why the stream cannot be completed. Its retry is a hint for as long as the client has seen nothing.
  [[nodiscard]] const std::optional<Error>& failure() const;
  [[nodiscard]] const Tally& tally() const;
  [[nodiscard]] const Usage& usage() const { return tally().usage; }
  [[nodiscard]] bool usage_reported() const { return tally().usage_reported; }
  [[nodiscard]] bool usage_plausible() const { return tally().usage_plausible; }
  [[nodiscard]] std::int64_t output_bytes_seen() const { return tally().output_bytes; }
  /// Upstream events with data, terminators included.
  [[nodiscard]] std::uint64_t events() const;

 private:
  std::unique_ptr<const Candidate> own_;  // one that was given; streams are many, and it is large
  std::unique_ptr<AnswerStream> stream_;
};

}  // namespace turnpike::dialect
