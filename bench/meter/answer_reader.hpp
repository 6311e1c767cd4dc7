// Reads one HTTP response as it comes, counts its events, and looks no closer than that needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::meter {

class AnswerReader {
 public:
  enum class State : std::uint8_t { reading, whole, broken };

  /// For the next response on the same connection.
  void begin(bool stream);
  /// `now_ns` is the instant of the read. Times under way of stamped pieces are appended to
  /// `under_way_ns`.
  State feed(std::string_view bytes, std::int64_t now_ns, std::vector<std::int64_t>& under_way_ns);

  /// 200 and, if it is a stream, its [DONE].
  [[nodiscard]] bool good() const { return status_ == 200 && (!stream_ || done_); }
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] bool closes() const { return closes_; }
  /// Lines of data that have come, [DONE] not among them.
  [[nodiscard]] std::int64_t events() const { return events_; }
  /// Events that carried a piece of the simulator's text.
  [[nodiscard]] std::int64_t stamped() const { return stamped_; }

 private:
  enum class Phase : std::uint8_t { head, counted, size, data, data_end, trailer, over, bad };

  bool read_head();
  bool read_line();
  void take(std::string_view body, std::int64_t now_ns, std::vector<std::int64_t>& under_way_ns);
  void take_line(std::string_view line, std::int64_t now_ns,
                 std::vector<std::int64_t>& under_way_ns);

  Phase phase_ = Phase::head;
  bool stream_ = false;
  bool done_ = false;
  bool closes_ = false;
  int status_ = 0;
  std::int64_t events_ = 0;
  std::int64_t stamped_ = 0;
  std::size_t left_ = 0;
  std::string framing_;  // a head or a line of framing that is not whole yet
  std::string line_;     // a line of the body that is not whole yet
};

}  // namespace turnpike::meter
