// Writes Chat Completions, streamed and whole, from StreamEvents. Source: wire-formats
// specification §1.2.
//
//   stream := role-chunk (reasoning | content | refusal | tool-call)* finish-chunk [usage-chunk]
//   "[DONE]"
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/encoder.hpp"
#include "dialect/stream_event.hpp"
#include "dialect/stream_translator.hpp"

namespace turnpike::dialect {

/// Builds each chunk from a prefix made once. Holds back the role chunk of a choice until its first
/// content, so nothing is appended before there is some. One per stream.
class ChatStreamEncoder final : public StreamEncoder {
 public:
  ChatStreamEncoder(const StreamOptions& options, const Candidate& candidate);
  std::optional<Error> encode(const StreamEvent& event, std::string& out) override;
  void heartbeat(std::string& out) override;
  void fail(const Error& error, std::string& out) override;

 private:
  struct Call {
    std::int32_t block = 0;
    bool is_text = false;   // no JSON
    std::string arguments;  // all of them so far
  };
  struct Choice {
    std::int32_t index = 0;
    std::vector<Call> calls;  // in the order of tool_calls
  };

  void block_start(const BlockStart& start, std::string& out);
  std::optional<Error> delta(const Delta& delta, std::string& out);
  void call_delta(Choice& choice, const Delta& delta, std::string& out);
  /// The calls have been shown piece by piece; without the finish reason no client runs them.
  std::optional<Error> stop(const Stop& stop, std::string& out);
  void done(std::string& out) const;
  Choice& open_choice(std::int32_t index, std::string& out);
  /// `data: {…"choices":[{"index":N,"delta":{`
  void begin_chunk(std::int32_t choice, std::string& out) const;
  /// `},"finish_reason":null}]…}` and the blank line.
  void end_chunk(std::string& out) const;

  const StreamOptions& options_;
  const Candidate& candidate_;
  std::string prefix_;  // up to and including `"choices":[`
  bool include_usage_;
  std::list<Choice> choices_;
  UsageReport usage_;
  bool usage_known_ = false;
  std::size_t kept_bytes_ = 0;  // of arguments
};

/// A chunk with no choices: harmless, and resets every client's clock. `id` is the id that the
/// other chunks bear.
void append_chat_heartbeat(std::string& out, const StreamOptions& options, std::string_view id);

/// Collects a whole answer.
class ChatBodyEncoder final : public BodyEncoder {
 public:
  ChatBodyEncoder(const StreamOptions& options, const Candidate& candidate)
      : options_(options), candidate_(candidate) {}
  void encode(const StreamEvent& event) override;
  /// The chat.completion object.
  [[nodiscard]] Result<std::string> body() const override;

 private:
  struct Call {
    std::int32_t block = 0;
    std::string id;
    std::string name;
    std::string arguments;
    bool is_text = false;  // no JSON
  };
  struct Choice {
    std::int32_t index = 0;
    std::string content;
    std::string reasoning;
    std::string refusal;
    std::vector<Call> calls;
    StopReason reason = StopReason::natural;
  };

  void delta(const Delta& delta);
  Choice& choice_of(std::int32_t index);

  const StreamOptions& options_;
  const Candidate& candidate_;
  std::list<Choice> choices_;
  UsageReport usage_;
  bool usage_known_ = false;
};

}  // namespace turnpike::dialect
