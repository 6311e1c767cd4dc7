#include "answer_reader.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace turnpike::meter {

void AnswerReader::begin(bool stream) {
  *this = AnswerReader{};
  stream_ = stream;
}

AnswerReader::State AnswerReader::feed(std::string_view bytes, std::int64_t now_ns,
                                       std::vector<std::int64_t>& under_way_ns) {
  while (phase_ != Phase::over && phase_ != Phase::bad) {
    if (phase_ == Phase::counted || phase_ == Phase::data) {
      const auto part = std::min(left_, bytes.size());
      take(bytes.substr(0, part), now_ns, under_way_ns);
      bytes.remove_prefix(part);
      left_ -= part;
      if (left_ > 0) return State::reading;
      phase_ = phase_ == Phase::counted ? Phase::over : Phase::data_end;
      continue;
    }
    // Framing is short: a line at a time, the head as a whole.
    const std::string_view end = phase_ == Phase::head ? "\r\n\r\n" : "\r\n";
    const auto before = framing_.size();
    framing_ += bytes;
    const auto at = framing_.find(end, before < 3 ? 0 : before - 3);
    if (at == std::string::npos) return State::reading;
    bytes.remove_prefix(at + end.size() - before);
    framing_.resize(at);
    const bool fine = phase_ == Phase::head ? read_head() : read_line();
    framing_.clear();
    if (!fine) phase_ = Phase::bad;
  }
  return phase_ == Phase::bad || !bytes.empty() ? State::broken : State::whole;
}

bool AnswerReader::read_head() {
  std::transform(framing_.begin(), framing_.end(), framing_.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::string_view head = framing_;
  if (!head.starts_with("http/1.1 ") || head.size() < 12) return false;
  std::from_chars(head.data() + 9, head.data() + 12, status_);
  closes_ = head.find("\r\nconnection: close") != std::string_view::npos;
  constexpr std::string_view length = "\r\ncontent-length: ";
  if (const auto at = head.find(length); at != std::string_view::npos) {
    std::from_chars(head.data() + at + length.size(), head.data() + head.size(), left_);
    phase_ = left_ > 0 ? Phase::counted : Phase::over;
    return true;
  }
  phase_ = Phase::size;
  return head.find("\r\ntransfer-encoding: chunked") != std::string_view::npos;
}

bool AnswerReader::read_line() {
  if (phase_ == Phase::data_end) {
    phase_ = Phase::size;
    return framing_.empty();
  }
  if (phase_ == Phase::trailer) {
    if (framing_.empty()) phase_ = Phase::over;
    return true;
  }
  left_ = 0;
  const auto* last = framing_.data() + framing_.size();
  const auto [end, fault] = std::from_chars(framing_.data(), last, left_, 16);
  phase_ = left_ > 0 ? Phase::data : Phase::trailer;
  return fault == std::errc{} && (end == last || *end == ';');
}

void AnswerReader::take(std::string_view body, std::int64_t now_ns,
                        std::vector<std::int64_t>& under_way_ns) {
  if (!stream_) return;
  for (auto end = body.find('\n'); end != std::string_view::npos; end = body.find('\n')) {
    if (line_.empty()) {
      take_line(body.substr(0, end), now_ns, under_way_ns);
    } else {
      line_ += body.substr(0, end);
      take_line(line_, now_ns, under_way_ns);
      line_.clear();
    }
    body.remove_prefix(end + 1);
  }
  line_ += body;
}

void AnswerReader::take_line(std::string_view line, std::int64_t now_ns,
                             std::vector<std::int64_t>& under_way_ns) {
  constexpr std::string_view stamp = "\"t=";
  if (!line.starts_with("data:")) return;
  if (line.starts_with("data: [DONE]") || line.starts_with("data:[DONE]")) {
    done_ = true;
    return;
  }
  ++events_;
  const auto at = line.find(stamp);
  if (at == std::string_view::npos) return;
  std::int64_t written_ns = 0;
  std::from_chars(line.data() + at + stamp.size(), line.data() + line.size(), written_ns);
  ++stamped_;
  under_way_ns.push_back(now_ns - written_ns);
}

}  // namespace turnpike::meter
