// Connections on one epoll set: requests in a closed or an open loop, beside streams that are only
// kept open.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "answer_reader.hpp"
#include "figures.hpp"
#include "options.hpp"
#include "request_maker.hpp"

namespace turnpike::meter {

class Meter {
 public:
  Meter(const Options& options, RequestMaker& requests);
  ~Meter();
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  /// Sends `count` requests and waits for their answers, or for `timeout_s` without any progress.
  Figures run(std::int64_t count);
  /// Opens streams and waits until each has said something. What fails is counted in held_lost().
  void open_streams(std::int64_t count);
  /// Lets time pass, with what comes read.
  void rest(std::int64_t milliseconds);
  [[nodiscard]] std::int64_t held_open() const;
  [[nodiscard]] std::int64_t held_lost() const { return held_lost_; }
  [[nodiscard]] const std::map<std::string, std::int64_t>& held_reasons() const {
    return held_reasons_;
  }

 private:
  struct Connection {
    int descriptor = -1;
    bool held = false;
    bool busy = false;
    bool waits_for_room = false;
    std::string out;
    std::size_t written = 0;
    std::int64_t begun_ns = 0;
    std::int64_t first_piece_ns = 0;
    std::int64_t first_event_ns = 0;
    AnswerReader answer;
  };

  bool dial(std::size_t index);
  void send(std::size_t index, std::string request, std::int64_t begun_ns, bool stream);
  void write_some(std::size_t index);
  void read_some(std::size_t index);
  void note_first(Connection& connection, std::int64_t now_ns);
  void finish(std::size_t index, std::int64_t now_ns);
  void lose(std::size_t index, const std::string& reason);
  void drop(Connection& connection);
  void want_room(std::size_t index, bool wanted);
  /// Sends what is due; nanoseconds until the next is.
  std::int64_t send_due();
  void poll(std::int64_t wait_ns);

  const Options& options_;
  RequestMaker& requests_;
  sockaddr_in where_{};
  int epoll_ = -1;
  std::deque<Connection> connections_;  // those of requests first, the held ones after
  std::vector<std::size_t> free_;
  Figures figures_;
  std::int64_t to_send_ = 0;
  std::int64_t sent_ = 0;
  std::int64_t began_ns_ = 0;
  std::int64_t progress_ns_ = 0;
  std::int64_t held_lost_ = 0;
  std::map<std::string, std::int64_t> held_reasons_;
};

}  // namespace turnpike::meter
