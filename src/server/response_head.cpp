#include "server/response_head.hpp"

#include <algorithm>
#include <array>
#include <ostream>  // for Boost's string_view, which uses it without including it
#include <string_view>

#include <boost/beast/http/status.hpp>

#include "server/http_syntax.hpp"

namespace turnpike::server {

namespace {

bool framing_field(std::string_view name) {
  constexpr std::array<std::string_view, 3> ours{"content-length", "transfer-encoding",
                                                 "connection"};
  return std::ranges::any_of(
      ours, [name](std::string_view own) { return equals_ignoring_case(name, own); });
}

void append_field(std::string& text, std::string_view name, std::string_view value) {
  text.append(name).append(": ").append(value).append("\r\n");
}

void append_checked(std::string& text, std::string_view name, std::string_view value) {
  if (name.empty() || !all_of_class(name, byte_class::token)) return;
  if (!all_of_class(value, byte_class::text) || framing_field(name)) return;
  append_field(text, name, value);
}

}  // namespace

std::string serialise(const ResponseHead& head, const ResponseFrame& frame) {
  std::size_t bytes = 128 + head.content_type.size();
  for (const auto& [name, value] : head.headers) bytes += name.size() + value.size() + 4;
  std::string text;
  text.reserve(bytes);
  const auto reason =
      boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(head.status));
  text.append("HTTP/1.1 ").append(std::to_string(head.status)).append(" ");
  text.append(reason.data(), reason.size()).append("\r\n");
  if (!head.content_type.empty() && frame.framing != ResponseFraming::no_body) {
    append_checked(text, "content-type", head.content_type);
  }
  for (const auto& [name, value] : head.headers) append_checked(text, name, value);
  if (frame.framing == ResponseFraming::length) {
    append_field(text, "content-length", std::to_string(frame.content_length));
  } else if (frame.framing == ResponseFraming::chunked) {
    append_field(text, "transfer-encoding", "chunked");
  }
  if (frame.close) {
    append_field(text, "connection", "close");
  } else if (frame.announce_keep_alive) {
    append_field(text, "connection", "keep-alive");
  }
  return text.append("\r\n");
}

}  // namespace turnpike::server
