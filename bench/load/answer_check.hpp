// Reads one HTTP response with a Chat Completions answer and judges its form. Fed bytes as they
// come.
//   response := head body;  body := chunked | counted;  stream := ("data: " json LF LF | ":"
//   comment LF LF)* "data: [DONE]" LF LF
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::load {

struct Call {
  std::string id;
  std::string name;
  std::string arguments;
};

class AnswerCheck {
 public:
  explicit AnswerCheck(bool streaming) : streaming_(streaming) {}

  /// False once the answer is over or a fault was found.
  bool feed(std::string_view bytes);
  /// The connection ended. A whole answer ends by its framing, never by this.
  void closed();

  [[nodiscard]] bool over() const { return over_; }
  /// Empty: nothing wrong so far.
  [[nodiscard]] const std::string& fault() const { return fault_; }
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }
  [[nodiscard]] bool error_event() const { return error_event_; }
  [[nodiscard]] bool has_content() const { return content_events_ > 0; }
  [[nodiscard]] std::int64_t content_events() const { return content_events_; }
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::string& reasoning() const { return reasoning_; }
  [[nodiscard]] const std::vector<Call>& calls() const { return calls_; }
  [[nodiscard]] const std::string& finish() const { return finish_; }
  /// Whole answers tell their usage, unless the provider withheld it.
  [[nodiscard]] bool without_usage() const { return without_usage_; }

 private:
  enum class Phase : std::uint8_t {
    head,
    counted,
    chunk_size,
    chunk_data,
    chunk_end,
    trailer,
    done
  };

  void read();
  bool read_head();
  bool read_line(std::string& line);
  bool read_data();
  bool read_frame();
  void take_body(std::string_view bytes);
  void take_events();
  void take_event(std::string_view event);
  void take_chunk(const nlohmann::json& chunk);
  void take_choice(const nlohmann::json& choice);
  void take_call(const nlohmann::json& part);
  void finish_body();
  void judge_stream();
  void judge_json();
  void fail(std::string why) {
    if (fault_.empty()) fault_ = std::move(why);
  }

  bool streaming_;
  bool over_ = false;
  bool keep_alive_ = true;
  bool event_stream_ = false;
  Phase phase_ = Phase::head;
  std::string in_;
  std::size_t left_ = 0;
  int status_ = 0;
  std::string body_;  // whole, or the unfinished event
  bool done_ = false;
  bool error_event_ = false;
  bool without_usage_ = false;
  std::int64_t content_events_ = 0;
  std::string text_;
  std::string reasoning_;
  std::string finish_;
  std::vector<Call> calls_;
  std::string fault_;
};

}  // namespace turnpike::load
