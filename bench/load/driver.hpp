// Runs the agents on one epoll set and counts.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "answer_check.hpp"
#include "conversation.hpp"
#include "options.hpp"

namespace turnpike::load {

using Instant = std::chrono::steady_clock::time_point;

struct Totals {
  std::int64_t requests = 0;
  std::int64_t completed = 0;
  std::int64_t cancelled = 0;
  std::int64_t error_events = 0;
  std::int64_t broken = 0;
  std::int64_t unreached = 0;  // the connection was refused or reset before any byte
  std::int64_t streams = 0;
  std::int64_t without_usage = 0;
  std::int64_t tool_calls = 0;
  std::int64_t loops_completed = 0;
  std::int64_t bytes = 0;
  std::map<int, std::int64_t> refused;
  std::map<std::string, std::int64_t> broken_reasons;
  std::vector<std::int64_t> first_token_us;
  std::vector<std::int64_t> total_us;
};

class Driver {
 public:
  explicit Driver(const Options& options);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  /// Until all requests are done, or no more may start and none is open. Once `stop` is true no
  /// more may start.
  void run(const std::atomic<bool>& stop);
  [[nodiscard]] const Totals& totals() const { return totals_; }

 private:
  struct Agent {
    int fd = -1;
    std::string out;
    std::size_t written = 0;
    std::unique_ptr<Conversation> conversation;
    std::unique_ptr<AnswerCheck> answer;
    Instant begins{};
    Instant started{};
    bool saw_content = false;
    std::int64_t first_us = -1;
    bool fresh = true;  // no byte has come on this connection yet
  };

  void begin(std::size_t index, Instant now);
  bool connect(std::size_t index);
  void on_event(std::size_t index, std::uint32_t events);
  bool write_some(Agent& agent);
  void read_some(std::size_t index);
  void note_content(std::size_t index, Instant now);
  void finish(std::size_t index, Instant now);
  void count(Agent& agent, Instant now);
  void give_up(std::size_t index, const std::string& why);
  void trace(const Agent& agent, Instant now, std::string_view outcome);
  void drop(Agent& agent);
  void next(std::size_t index, Instant now, bool same_conversation);
  void check_time(Instant now);
  [[nodiscard]] bool may_start(Instant now) const;

  const Options& options_;
  std::mt19937_64 dice_;
  int epoll_ = -1;
  std::vector<Agent> agents_;
  Totals totals_;
  std::int64_t open_ = 0;
  std::uint64_t conversations_ = 0;
  Instant start_;
  std::int64_t start_unix_us_ = 0;
  std::ofstream trace_;
  Instant stop_starting_;
};

}  // namespace turnpike::load
