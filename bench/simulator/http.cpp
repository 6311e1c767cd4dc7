#include "http.hpp"

#include <charconv>

#include "text.hpp"

namespace turnpike::simulator {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 302:
      return "Found";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 413:
      return "Payload Too Large";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Status";
  }
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

std::string HttpRequest::query_value(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const auto end = std::min(rest.find('&'), rest.size());
    const auto pair = rest.substr(0, end);
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name)
      return percent_decoded(pair.substr(equals + 1));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return "";
}

bool HttpRequest::wants_close() const { return to_lower(header("connection")) == "close"; }

RequestReader::Progress RequestReader::read(std::string& buffer) {
  if (phase_ == Phase::head) {
    if (const auto progress = read_head(buffer); progress != Progress::complete) return progress;
  }
  if (phase_ == Phase::body) {
    const auto part = std::min(left_, buffer.size());
    request_.body.append(buffer, 0, part);
    buffer.erase(0, part);
    left_ -= part;
    if (left_ > 0) return Progress::need_more;
    phase_ = Phase::done;
  }
  if (phase_ != Phase::done) return read_chunks(buffer);
  return Progress::complete;
}

HttpRequest RequestReader::take() {
  phase_ = Phase::head;
  left_ = 0;
  return std::exchange(request_, {});
}

RequestReader::Progress RequestReader::read_head(std::string& buffer) {
  const auto end = buffer.find("\r\n\r\n");
  if (end == std::string::npos)
    return buffer.size() > head_bytes_max ? Progress::bad : Progress::need_more;
  if (!parse_head(std::string_view{buffer}.substr(0, end))) return Progress::bad;
  buffer.erase(0, end + 4);
  return body_begins();
}

RequestReader::Progress RequestReader::body_begins() {
  const bool expects = to_lower(request_.header("expect")) == "100-continue";
  if (to_lower(request_.header("transfer-encoding")) == "chunked") {
    phase_ = Phase::chunk_size;
    return expects ? Progress::send_continue : Progress::complete;
  }
  const auto length = request_.header("content-length");
  if (!length.empty()) {
    const auto [end, fault] = std::from_chars(length.data(), length.data() + length.size(), left_);
    if (fault != std::errc{} || end != length.data() + length.size() || left_ > body_bytes_max)
      return Progress::bad;
  }
  phase_ = left_ == 0 ? Phase::done : Phase::body;
  request_.body.reserve(left_);
  return expects && left_ > 0 ? Progress::send_continue : Progress::complete;
}

bool RequestReader::parse_head(std::string_view head) {
  const auto first_end = std::min(head.find("\r\n"), head.size());
  const auto first = head.substr(0, first_end);
  const auto space = first.find(' ');
  const auto last_space = first.rfind(' ');
  if (space == std::string_view::npos || last_space == space ||
      first.substr(last_space + 1) != "HTTP/1.1")
    return false;
  request_.method = first.substr(0, space);
  const auto target = first.substr(space + 1, last_space - space - 1);
  const auto question = std::min(target.find('?'), target.size());
  request_.path = percent_decoded(target.substr(0, question));
  if (question < target.size()) request_.query = target.substr(question + 1);
  auto rest = head.substr(std::min(first_end + 2, head.size()));
  while (!rest.empty()) {
    const auto line_end = std::min(rest.find("\r\n"), rest.size());
    const auto line = rest.substr(0, line_end);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    request_.headers.emplace_back(to_lower(line.substr(0, colon)),
                                  std::string{trimmed(line.substr(colon + 1))});
    rest.remove_prefix(std::min(line_end + 2, rest.size()));
  }
  return true;
}

RequestReader::Progress RequestReader::read_chunks(std::string& buffer) {
  auto progress = Progress::complete;
  while (phase_ != Phase::done && progress == Progress::complete) {
    progress = phase_ == Phase::chunk_data ? read_chunk_data(buffer) : read_chunk_line(buffer);
  }
  return progress;
}

RequestReader::Progress RequestReader::read_chunk_data(std::string& buffer) {
  if (buffer.size() < left_ + 2) return Progress::need_more;
  request_.body.append(buffer, 0, left_);
  buffer.erase(0, left_ + 2);
  phase_ = Phase::chunk_size;
  return request_.body.size() > body_bytes_max ? Progress::bad : Progress::complete;
}

// A chunk's size, or a trailer, which nobody reads.
RequestReader::Progress RequestReader::read_chunk_line(std::string& buffer) {
  const auto end = buffer.find("\r\n");
  if (end == std::string::npos) return buffer.size() > 8192 ? Progress::bad : Progress::need_more;
  const std::string line = buffer.substr(0, end);
  buffer.erase(0, end + 2);
  if (phase_ == Phase::trailers) {
    if (line.empty()) phase_ = Phase::done;
    return Progress::complete;
  }
  const auto [stop, fault] = std::from_chars(line.data(), line.data() + line.size(), left_, 16);
  if (fault != std::errc{} || left_ > body_bytes_max) return Progress::bad;
  phase_ = left_ == 0 ? Phase::trailers : Phase::chunk_data;
  return Progress::complete;
}

std::string response_head(int status, const Headers& headers) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + ' ';
  out += reason_phrase(status);
  out += "\r\n";
  for (const auto& [name, value] : headers) {
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  out += "\r\n";
  return out;
}

}  // namespace turnpike::simulator
