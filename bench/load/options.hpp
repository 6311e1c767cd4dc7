// What to ask, of whom, how often.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace turnpike::load {

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string path = "/v1/chat/completions";
  std::string key;
  std::vector<std::string> models{"auto"};
  std::int64_t concurrency = 16;
  std::int64_t requests_max = 100;  // HTTP requests in all
  std::int64_t seconds_max = 60;
  std::int64_t timeout_s = 60;         // of one request
  std::int64_t ramp_ms = 0;            // over which the agents start
  std::int64_t prompt_bytes = 0;       // padding of the first user message
  std::int64_t output_tokens_max = 0;  // 0: the field is left out
  double stream_share = 0.7;
  double cancel_share = 0;       // of the streams
  double loop_share = 0.3;       // of the conversations: with a tool, run to the final answer
  double reasoning_share = 0.5;  // of the loops: send reasoning_content back, as some harnesses do
  std::uint64_t seed = 1;
  std::string trace_file;  // a line per request; empty: none
  std::string directive = "tokens=20";
  bool equal = false;  // every request the same, byte for byte
  bool help = false;
};

/// Throws std::invalid_argument with a message for people.
Options read_options(int argc, char** argv);
extern const char* const usage_text;

}  // namespace turnpike::load
