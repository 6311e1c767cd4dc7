// Writes Chat Completions, streamed and whole, from StreamEvents. Source: wire-formats
// specification §1.2.
//
//   stream := role-chunk (reasoning | content | refusal | tool-call)* finish-chunk [usage-chunk]
//   "[DONE]"
#pragma once

#include <cstdint>
#include <list>
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
  explicit ChatStreamEncoder(const StreamOptions& options);
  std::optional<Error> encode(const StreamEvent& event, std::string& out) override;
  void heartbeat(std::string& out) override;
  void fail(const Error& error, std::string& out) override;

 private:
  struct Choice {
    std::int32_t index = 0;
    std::vector<std::int32_t> calls;  // block numbers, in the order of tool_calls
  };

  void block_start(const BlockStart& start, std::string& out);
  void delta(const Delta& delta, std::string& out);
  void stop(const Stop& stop, std::string& out);
  void done(std::string& out) const;
  Choice& open_choice(std::int32_t index, std::string& out);
  /// `data: {…"choices":[{"index":N,"delta":{`
  void begin_chunk(std::int32_t choice, std::string& out) const;
  /// `},"finish_reason":null}]…}` and the blank line.
  void end_chunk(std::string& out) const;

  const StreamOptions& options_;
  std::string prefix_;  // up to and including `"choices":[`
  bool include_usage_;
  std::list<Choice> choices_;
  UsageReport usage_;
  bool usage_known_ = false;
};

/// A chunk with no choices: harmless, and resets every client's clock. `id` is the id that the
/// other chunks bear.
void append_chat_heartbeat(std::string& out, const StreamOptions& options, std::string_view id);

/// Collects a whole answer.
class ChatBodyEncoder final : public BodyEncoder {
 public:
  explicit ChatBodyEncoder(const StreamOptions& options) : options_(options) {}
  void encode(const StreamEvent& event) override;
  /// The chat.completion object.
  [[nodiscard]] Result<std::string> body() const override;

 private:
  struct Call {
    std::int32_t block = 0;
    std::string id;
    std::string name;
    std::string arguments;
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
  std::list<Choice> choices_;
  UsageReport usage_;
  bool usage_known_ = false;
};

}  // namespace turnpike::dialect
