// Writes one answer at its cadence, with the faults that were asked for, and bills it when it ends.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "records.hpp"
#include "server.hpp"
#include "wire.hpp"

namespace turnpike::simulator {

class Playback final : public Reply {
 public:
  Playback(const Wire& wire, Records& records, const Settings& settings, Exchange exchange,
           Instant started, bool close_after);
  ~Playback() override;

  Next pump(Instant now, std::string& out) override;
  void client_gone(Instant now) override;

 private:
  using Micros = std::chrono::microseconds;
  enum class Phase : std::uint8_t { waiting, thinking, steps, body, stalled, over };

  /// Faults that replace the whole answer; true when one applied and `next` is set.
  bool whole_fault(Instant now, std::string& out, Next& next);
  Next begin(Instant now, std::string& out);
  Next think(Instant now, std::string& out);
  Next play(Instant now, std::string& out);
  bool play_step(Instant now, std::string& batch, std::string& broken, Next& next);
  bool left_out(const Step& step);
  [[nodiscard]] bool garbage_is_due() const;
  void append_garbage(std::string& out);
  Next play_body(Instant now, std::string& out);
  Next half_body(Instant now, const std::string& body, std::string& out);
  Next stall(Instant now, std::string& out);
  /// Faults at a position inside the stream; true when the stream does not go on.
  bool fault_here(Instant now, std::string& out, Next& next);
  bool cut(Instant now, std::string& out, Next& next);
  void render_step(const Step& step, std::string& out);
  void note_progress(const Step& step);
  [[nodiscard]] Step ping() const;
  [[nodiscard]] bool counts_as_content(const Step& step) const;
  [[nodiscard]] Instant due() const { return content_begins_ + cadence_ * content_events_; }
  void write_head(int status, Headers headers, std::string& out);
  void write_chunk(std::string_view payload, std::string& out);
  void write_whole(int status, Headers headers, std::string_view body, std::string& out);
  Next end(Instant now, Outcome outcome, Then then);
  Next drip(std::string& out);

  const Wire& wire_;
  Habits habits_;
  Records& records_;
  Exchange exchange_;
  const Directives& wishes_;
  std::vector<Step> steps_;
  std::size_t next_step_ = 0;
  Tokens sent_;
  Phase phase_ = Phase::waiting;
  Then then_;
  Instant started_;
  Instant begins_;
  Instant content_begins_;
  Instant next_comment_;
  Micros cadence_;
  std::int64_t content_events_ = 0;
  std::int64_t first_byte_us_ = -1;
  int status_ = 200;
  bool usage_sent_ = false;
  bool billed_ = false;
  std::string fault_;
  std::string held_;  // with `drip`: bytes that wait to be written in small pieces
};

}  // namespace turnpike::simulator
