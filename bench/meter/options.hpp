// What to send, how fast, and whose time to count.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace turnpike::meter {

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string path = "/v1/chat/completions";
  std::string key = "none";
  std::string model = "auto";
  bool stream = false;
  std::vector<std::int64_t> body_bytes{1024};  // one is drawn per request
  std::int64_t events_min = 200;               // pieces of an answer, drawn per request
  std::int64_t events_max = 200;
  std::int64_t piece_bytes = 24;
  std::int64_t cadence_us = 0;
  std::int64_t connections = 16;
  std::int64_t requests = 1000;
  std::int64_t warmup = 50;       // requests before the measured ones
  double rate = 0;                // requests a second, 0: each connection as fast as it can
  std::int64_t hold = 0;          // streams to open and keep open
  std::int64_t hold_rate = 1000;  // of them a second
  std::int64_t settle_ms = 3000;  // pause between opening them and weighing the processes
  std::int64_t seconds_max = 0;   // stop sending then, 0: never
  std::int64_t timeout_s = 60;    // without any progress
  std::uint64_t seed = 1;
  std::vector<pid_t> pids;  // CPU and memory of these and of their children are counted
  bool help = false;
};

/// Throws std::invalid_argument with a message for people.
Options read_options(int argc, char** argv);
extern const char* const usage_text;

}  // namespace turnpike::meter
