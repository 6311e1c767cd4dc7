#include "app/page.hpp"

#include <fmt/format.h>

#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>

namespace turnpike::app {

using nlohmann::ordered_json;

WholeReply page(const ordered_json& body, int status) {
  WholeReply reply;
  reply.head.status = status;
  reply.body = body.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  return reply;
}

WholeReply fault_page(const Error& error) {
  ordered_json body;
  body["error"] = {{"code", error.code}, {"message", error.message}};
  if (!error.param.empty()) body["error"]["param"] = error.param;
  return page(body, error.http_status);
}

std::optional<std::string> query_field(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    if (pair.starts_with(name) && pair.size() > name.size() && pair[name.size()] == '=') {
      return percent_decode(pair.substr(name.size() + 1));
    }
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return std::nullopt;
}

std::string percent_decode(std::string_view text) {
  std::string value;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    const char* end = text.data() + i + 3;
    if (text[i] == '%' && i + 2 < text.size() && std::from_chars(end - 2, end, code, 16).ptr == end) {
      value += static_cast<char>(code);
      i += 2;
    } else {
      value += text[i];
    }
  }
  return value;
}

std::string percent_encode(std::string_view text) {
  std::string encoded;
  for (const char raw : text) {
    const auto byte = static_cast<unsigned char>(raw);
    const bool plain = std::isalnum(byte) != 0 || byte == '-' || byte == '.' || byte == '_' || byte == ',' || byte == ':';
    encoded += plain ? std::string{raw} : fmt::format("%{:02X}", byte);
  }
  return encoded;
}

}  // namespace turnpike::app
