// Runs streams through a StreamTranslator in pieces.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dialect/opaque_store.hpp"
#include "dialect/stream_translator.hpp"
#include "turnpike/decision.hpp"

namespace turnpike::dialect::test {

inline Candidate candidate_for(Dialect dialect) {
  Candidate candidate;
  candidate.dialect = dialect;
  switch (dialect) {
    case Dialect::anthropic_messages:
      candidate.provider = "anthropic";
      candidate.model = "claude-opus-5-5";
      candidate.family = "claude-5.5";
      break;
    case Dialect::gemini_generate:
      candidate.provider = "gemini";
      candidate.model = "gemini-3.1-pro-preview";
      candidate.family = "gemini-3";
      break;
    case Dialect::openai_chat:
    case Dialect::openai_responses:
      candidate.provider = "deepseek";
      candidate.model = "deepseek-flash";
      candidate.family = "deepseek-v4";
      candidate.quirks.reasoning_history = true;
      break;
  }
  return candidate;
}

inline StreamOptions chat_options(bool include_usage = true) {
  StreamOptions options;
  options.include_usage = include_usage;
  options.id = "chatcmpl-test";
  options.created = 1764000000;
  options.model = "auto";
  options.owner = "key-1";
  return options;
}

struct StreamRun {
  std::string out;
  bool complete = false;
  bool started = false;
  std::optional<Error> failure;
  Tally tally;
};

inline StreamRun run_pieces(const Candidate& candidate, const StreamOptions& options,
                            const std::vector<std::string_view>& pieces,
                            const Result<void>& transport = {}) {
  StreamRun run;
  StreamTranslator translator{candidate, options};
  for (const std::string_view piece : pieces) translator.feed(piece, run.out);
  translator.end(transport, run.out);
  run.complete = translator.complete();
  run.started = translator.content_started();
  run.failure = translator.failure();
  run.tally = translator.tally();
  return run;
}

inline StreamRun run_whole(const Candidate& candidate, const StreamOptions& options,
                           std::string_view stream) {
  return run_pieces(candidate, options, {stream});
}

inline StreamRun run_bytes(const Candidate& candidate, const StreamOptions& options,
                           std::string_view stream) {
  std::vector<std::string_view> pieces;
  for (std::size_t at = 0; at < stream.size(); ++at) pieces.push_back(stream.substr(at, 1));
  return run_pieces(candidate, options, pieces);
}

/// "event: …\ndata: …\n\n" for each, named after its "type".
inline std::string claude_events(const std::vector<std::string>& events) {
  std::string stream;
  for (const std::string& event : events) {
    const std::size_t begin = event.find(R"("type":")") + 8;
    stream += "event: " + event.substr(begin, event.find('"', begin) - begin) + "\ndata: " + event +
              "\n\n";
  }
  return stream;
}

inline std::string gemini_events(const std::vector<std::string>& events) {
  std::string stream;
  for (const std::string& event : events) stream += "data: " + event + "\r\n\r\n";
  return stream;
}

inline std::string chat_events(const std::vector<std::string>& events) {
  std::string stream;
  for (const std::string& event : events) stream += "data: " + event + "\n\n";
  return stream;
}

}  // namespace turnpike::dialect::test
