// Gemini generateContent, as a provider answers. Source: wire-formats specification §1.5, §3.
//
//   stream := chunk*       each chunk a whole response object; CRLF framing; no terminator but the
//   end of the body
//
// What finishes an answer may come before its last counters, and a call may come chunks before the
// STOP that follows it: reasons are kept and told at the end of the body.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dialect/decoder.hpp"
#include "dialect/gemini_partial_args.hpp"

namespace turnpike::dialect {

class GeminiDecoder final : public Decoder {
 public:
  GeminiDecoder(const Candidate& candidate, std::string fallback_id)
      : candidate_(candidate), response_id_(std::move(fallback_id)) {}
  void decode(const wire::SseEvent& event, StreamEvents& events) override;
  void counted(const UsageReport& report) override { usage_ = report; }
  void end(StreamEvents& events) override;
  void decode_whole(std::string_view body, StreamEvents& events) override;

 private:
  class Reader;  // knows the JSON library

  struct Choice {
    std::int32_t index = 0;
    std::int32_t blocks = 0;  // begun so far; the last one may be open
    std::int32_t calls = 0;
    std::optional<BlockKind> open;    // kind of the open block
    std::optional<PartialArgs> args;  // of the open tool call, if they come in pieces
    std::string signature;            // of the open block, told at its end
    bool text_seen = false;
    std::string finish_reason;
  };

  const Candidate& candidate_;
  std::string response_id_;
  std::vector<Choice> choices_;
  std::deque<std::string> made_;  // texts that events of the present call point to
  std::set<std::string> searches_;  // queries that were sent to the search engine
  std::set<std::string> fetches_;   // pages that were read
  std::int64_t code_runs_ = 0;
  UsageReport usage_{{}, true, false};  // the last one that counted
  bool started_ = false;
  bool failed_ = false;
};

}  // namespace turnpike::dialect
