#include "upstream/response_head.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace turnpike::upstream {

namespace {

std::string_view without_line_end(std::string_view line) {
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  return line;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

std::string lower_case(std::string_view text) {
  std::string lower{text};
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// "HTTP/1.1 200 OK" and "HTTP/2 200": the three digits after the first blank. 0 if there are none.
int status_of(std::string_view line) {
  const auto blank = line.find(' ');
  if (blank == std::string_view::npos) return 0;
  const auto digits = line.substr(blank + 1, 3);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (digits.size() != 3 || !std::ranges::all_of(digits, is_digit)) return 0;
  return (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
}

}  // namespace

bool is_forwarded_header(std::string_view lower_case_name) {
  static constexpr std::array<std::string_view, 8> names{
      "date",           // what an absolute Retry-After is counted from
      "request-id",     "x-request-id",   "x-ds-trace-id",        "retry-after",
      "retry-after-ms", "x-should-retry", "x-gemini-service-tier"};
  return lower_case_name.starts_with("anthropic-ratelimit-") ||
         lower_case_name.starts_with("x-ratelimit-") ||
         std::ranges::find(names, lower_case_name) != names.end();
}

ResponseHeadReader::State ResponseHeadReader::feed(std::string_view line) {
  if (state_ == State::refused) return state_;
  bytes_ += line.size();
  if (bytes_ > bytes_max_) return refuse(fmt::format("a head of more than {} bytes", bytes_max_));
  if (state_ == State::complete) return state_;
  if (line.starts_with("HTTP/")) return read_status(without_line_end(line));
  const auto field = without_line_end(line);
  if (field.empty()) {
    if (!interim_) state_ = State::complete;
    return state_;
  }
  if (++fields_ > fields_max_)
    return refuse(fmt::format("more than {} header fields", fields_max_));
  if (!interim_) read_field(field);
  return state_;
}

ResponseHeadReader::State ResponseHeadReader::refuse(std::string fault) {
  fault_ = std::move(fault);
  return state_ = State::refused;
}

ResponseHeadReader::State ResponseHeadReader::read_status(std::string_view line) {
  fields_ = 0;
  head_ = UpstreamHead{};
  head_.status = status_of(line);
  interim_ = head_.status == 100 || head_.status == 103;
  if (interim_) return state_;
  if (head_.status >= 300 && head_.status < 400) {
    return refuse(fmt::format("status {} (redirects are never followed)", head_.status));
  }
  if (head_.status < 200 || head_.status > 599) {
    return refuse(fmt::format("status {}", head_.status));
  }
  return state_;
}

void ResponseHeadReader::read_field(std::string_view line) {
  const auto colon = line.find(':');
  // A folded continuation line begins with a blank and belongs to nothing that is kept.
  if (colon == std::string_view::npos || colon == 0 || line[0] == ' ' || line[0] == '\t') return;
  const auto value = trimmed(line.substr(colon + 1));
  if (std::ranges::any_of(value, is_control)) return;
  auto name = lower_case(trimmed(line.substr(0, colon)));
  if (name == "content-type") {
    head_.content_type = value;
  } else if (is_forwarded_header(name)) {
    head_.headers.emplace_back(std::move(name), value);
  }
}

}  // namespace turnpike::upstream
