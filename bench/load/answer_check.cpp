#include "answer_check.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace turnpike::load {
namespace {

std::string lower(std::string_view text) {
  std::string out{text};
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string excerpt(std::string_view text) { return std::string{text.substr(0, 120)}; }

const nlohmann::json& member(const nlohmann::json& object, const char* name) {
  static const nlohmann::json nothing;
  if (!object.is_object()) return nothing;
  const auto at = object.find(name);
  return at == object.end() ? nothing : *at;
}

std::string text_of(const nlohmann::json& value) {
  return value.is_string() ? value.get<std::string>() : "";
}

}  // namespace

bool AnswerCheck::feed(std::string_view bytes) {
  if (over_) {
    fail("bytes after the end: " + excerpt(bytes));
    return false;
  }
  in_ += bytes;
  read();
  if (over_ && !in_.empty()) fail("bytes after the end: " + excerpt(in_));
  return !over_ && fault_.empty();
}

void AnswerCheck::closed() {
  if (over_) return;
  over_ = true;
  fail(phase_ == Phase::head ? "connection closed before the response"
                             : "connection closed inside the response");
}

void AnswerCheck::read() {
  bool moved = true;
  while (moved && !over_ && fault_.empty()) {
    switch (phase_) {
      case Phase::head:
        moved = read_head();
        break;
      case Phase::counted:
      case Phase::chunk_data:
        moved = read_data();
        break;
      case Phase::chunk_size:
      case Phase::chunk_end:
      case Phase::trailer:
        moved = read_frame();
        break;
      case Phase::done:
        finish_body();
        break;
    }
  }
}

bool AnswerCheck::read_data() {
  const auto part = std::min(left_, in_.size());
  take_body(std::string_view{in_}.substr(0, part));
  in_.erase(0, part);
  left_ -= part;
  if (left_ > 0) return false;
  phase_ = phase_ == Phase::counted ? Phase::done : Phase::chunk_end;
  return true;
}

// A chunk's size, the line end behind a chunk, or a trailer.
bool AnswerCheck::read_frame() {
  std::string line;
  if (!read_line(line)) return false;
  if (phase_ == Phase::chunk_size) {
    const auto [end, bad] = std::from_chars(line.data(), line.data() + line.size(), left_, 16);
    const bool whole = end == line.data() + line.size() || *end == ';';
    if (bad != std::errc{} || !whole) fail("bad chunk size: " + excerpt(line));
    phase_ = left_ == 0 ? Phase::trailer : Phase::chunk_data;
  } else if (phase_ == Phase::chunk_end) {
    if (!line.empty()) fail("no line end after a chunk");
    phase_ = Phase::chunk_size;
  } else if (line.empty()) {
    phase_ = Phase::done;
  }
  return true;
}

bool AnswerCheck::read_line(std::string& line) {
  const auto end = in_.find("\r\n");
  if (end == std::string::npos) return false;
  line = in_.substr(0, end);
  in_.erase(0, end + 2);
  return true;
}

bool AnswerCheck::read_head() {
  const auto end = in_.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  const std::string head = lower(std::string_view{in_}.substr(0, end + 2));
  in_.erase(0, end + 4);
  if (!head.starts_with("http/1.1 ")) {
    fail("not an HTTP/1.1 response: " + excerpt(head));
    return false;
  }
  std::from_chars(head.data() + 9, head.data() + 12, status_);
  event_stream_ = head.find("\r\ncontent-type: text/event-stream") != std::string::npos;
  keep_alive_ = head.find("\r\nconnection: close") == std::string::npos;
  const auto length = head.find("\r\ncontent-length: ");
  if (head.find("\r\ntransfer-encoding: chunked") != std::string::npos) {
    phase_ = Phase::chunk_size;
  } else if (length != std::string::npos) {
    std::from_chars(head.data() + length + 18, head.data() + head.size(), left_);
    phase_ = left_ == 0 ? Phase::done : Phase::counted;
  } else {
    fail("a response without framing");
  }
  if (status_ == 200 && streaming_ != event_stream_) fail("status 200 with the wrong content type");
  return true;
}

void AnswerCheck::take_body(std::string_view bytes) {
  body_ += bytes;
  if (event_stream_) take_events();
}

void AnswerCheck::take_events() {
  std::size_t from = 0;
  for (;;) {
    const auto end = body_.find("\n\n", from);
    if (end == std::string::npos) break;
    take_event(std::string_view{body_}.substr(from, end - from));
    from = end + 2;
  }
  body_.erase(0, from);
}

void AnswerCheck::take_event(std::string_view event) {
  if (event.empty() || event.front() == ':') return;
  if (done_) return fail("an event after [DONE]: " + excerpt(event));
  if (!event.starts_with("data:")) return fail("not a data line: " + excerpt(event));
  event.remove_prefix(event.starts_with("data: ") ? 6 : 5);
  if (event == "[DONE]") {
    done_ = true;
    return;
  }
  const auto chunk = nlohmann::json::parse(event, nullptr, false);
  if (chunk.is_discarded()) return fail("an event that is not JSON: " + excerpt(event));
  if (!member(chunk, "error").is_null()) {
    error_event_ = true;
    return;
  }
  if (error_event_) return fail("a chunk after the error");
  take_chunk(chunk);
}

void AnswerCheck::take_chunk(const nlohmann::json& chunk) {
  const auto& choices = member(chunk, "choices");
  if (!choices.is_array()) return fail("a chunk without choices");
  for (const auto& choice : choices) take_choice(choice);
}

void AnswerCheck::take_choice(const nlohmann::json& choice) {
  const auto& delta = member(choice, "delta");
  const auto text = text_of(member(delta, "content"));
  const auto reasoning = text_of(member(delta, "reasoning_content"));
  const auto& calls = member(delta, "tool_calls");
  const bool content = !text.empty() || !reasoning.empty() || (calls.is_array() && !calls.empty());
  if (content && !finish_.empty()) return fail("content after the finish reason");
  content_events_ += content ? 1 : 0;
  text_ += text;
  reasoning_ += reasoning;
  if (calls.is_array()) {
    for (const auto& part : calls) take_call(part);
  }
  const auto finish = text_of(member(choice, "finish_reason"));
  if (finish.empty()) return;
  if (!finish_.empty()) return fail("two finish reasons");
  finish_ = finish;
}

void AnswerCheck::take_call(const nlohmann::json& part) {
  const auto& index = member(part, "index");
  if (!index.is_number_unsigned() || index.get<std::size_t>() > calls_.size())
    return fail("a call with a wrong index");
  const auto& function = member(part, "function");
  if (index.get<std::size_t>() == calls_.size()) {
    calls_.push_back({text_of(member(part, "id")), text_of(member(function, "name")), ""});
    if (calls_.back().id.empty() || calls_.back().name.empty())
      return fail("a call without id or name");
  }
  calls_[index.get<std::size_t>()].arguments += text_of(member(function, "arguments"));
}

void AnswerCheck::finish_body() {
  over_ = true;
  if (status_ == 200 && event_stream_) return judge_stream();
  judge_json();
}

void AnswerCheck::judge_stream() {
  if (!body_.empty()) return fail("the stream ends inside an event");
  if (error_event_) return done_ ? fail("[DONE] after an error") : void();
  if (!done_) return fail("no [DONE]");
  if (finish_.empty()) return fail("no finish reason");
  if (finish_ == "tool_calls" && calls_.empty())
    return fail("finish reason tool_calls without a call");
  for (const auto& call : calls_) {
    if (!nlohmann::json::parse(call.arguments, nullptr, false).is_object() &&
        finish_ == "tool_calls")
      return fail("arguments that are not a JSON object");
  }
}

void AnswerCheck::judge_json() {
  const auto answer = nlohmann::json::parse(body_, nullptr, false);
  if (answer.is_discarded())
    return fail("status " + std::to_string(status_) +
                " with a body that is not JSON: " + excerpt(body_));
  if (status_ != 200) {
    if (text_of(member(member(answer, "error"), "message")).empty())
      fail("an error without a message");
    return;
  }
  const auto& choices = member(answer, "choices");
  if (!choices.is_array() || choices.empty()) return fail("an answer without choices");
  const auto& message = member(choices[0], "message");
  text_ = text_of(member(message, "content"));
  reasoning_ = text_of(member(message, "reasoning_content"));
  finish_ = text_of(member(choices[0], "finish_reason"));
  content_events_ = 1;
  const auto& calls = member(message, "tool_calls");
  for (const auto& call : calls.is_array() ? calls : nlohmann::json::array()) {
    const auto& function = member(call, "function");
    calls_.push_back({text_of(member(call, "id")), text_of(member(function, "name")),
                      text_of(member(function, "arguments"))});
    if (!nlohmann::json::parse(calls_.back().arguments, nullptr, false).is_object())
      fail("arguments that are not a JSON object");
  }
  if (finish_.empty()) fail("no finish reason");
  without_usage_ = !member(answer, "usage").is_object();
}

}  // namespace turnpike::load
