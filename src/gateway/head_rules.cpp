#include "gateway/head_rules.hpp"

#include <fmt/format.h>

#include <array>
#include <string>

namespace turnpike::gateway {
namespace {

using dialect::Endpoint;

std::string lower(std::string_view text) {
  std::string result{text};
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool served(const dialect::Route& route) {
  switch (route.endpoint) {
    case Endpoint::unknown:
      return false;
    case Endpoint::responses:
      return route.argument.empty();  // no store to read answers back from
    default:
      return true;
  }
}

bool query_has_key(std::string_view query) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::string name = lower(pair.substr(0, pair.find('=')));
    if (name == "key" || name == "api_key" || name == "api-key" || name == "access_token") return true;
    if (end == std::string_view::npos) return false;
    query.remove_prefix(end + 1);
  }
  return false;
}

bool asks_for_events(std::string_view query) {
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    if (lower(query.substr(0, end)) == "alt=sse") return true;
    if (end == std::string_view::npos) break;
    query.remove_prefix(end + 1);
  }
  return false;
}

Result<void> check_media_type(const RequestHead& head) {
  if (const auto encoding = head.header("content-encoding"); encoding && lower(*encoding) != "identity") {
    return std::unexpected{client_error("unsupported_encoding", "Send the body without Content-Encoding.", {}, 415)};
  }
  const auto type = head.header("content-type");
  if (!type || type->empty()) return {};
  const std::string whole = lower(*type);
  const std::string essence = whole.substr(0, whole.find_first_of("; \t"));
  const std::size_t charset = whole.find("charset=");
  const bool utf8 = charset == std::string::npos || whole.substr(charset + 8).starts_with("utf-8") ||
                    whole.substr(charset + 8).starts_with("\"utf-8\"");
  if (essence == "application/json" && utf8) return {};
  return std::unexpected{client_error("unsupported_media_type",
                                      fmt::format("Content-Type {} is not accepted; send application/json in UTF-8.",
                                                  quoted_for_message(*type)),
                                      {}, 415)};
}

/// No client field may name a host that the gateway would call.
Result<void> check_destination(const RequestHead& head) {
  static constexpr auto names = std::to_array<std::string_view>(
      {"x-base-url", "x-api-base", "x-api-url", "x-api-host", "x-upstream-url", "x-upstream-host", "x-target-url",
       "x-target-host", "x-forward-to", "x-provider-url", "x-openai-api-base", "x-openai-base-url", "helicone-target-url",
       "x-portkey-custom-host"});
  for (const auto name : names) {
    if (head.header(name)) {
      return std::unexpected{client_error(
          "destination_not_allowed", fmt::format("Header {} is refused: destinations come from configuration only.", name))};
    }
  }
  return {};
}

}  // namespace

bool takes_body(const dialect::Route& route) {
  switch (route.endpoint) {
    case Endpoint::chat_completions:
    case Endpoint::messages:
    case Endpoint::responses:
    case Endpoint::gemini_generate:
    case Endpoint::gemini_stream:
      return true;
    default:
      return counts_tokens(route);
  }
}

bool counts_tokens(const dialect::Route& route) {
  return route.endpoint == Endpoint::count_tokens || route.endpoint == Endpoint::gemini_count;
}

bool is_public(const dialect::Route& route) {
  return route.endpoint == Endpoint::root || route.endpoint == Endpoint::health || route.endpoint == Endpoint::ready;
}

Result<void> check_head(const dialect::Route& route, const RequestHead& head) {
  if (route.endpoint == Endpoint::unknown) {
    return std::unexpected{client_error(
        "not_found", fmt::format("{} is not served here; turnpike serves /v1/chat/completions, /v1/responses, /v1/messages, "
                                 "/v1beta/models/MODEL:generateContent and /v1/models.",
                                 quoted_for_message(head.path)), {}, 404)};
  }
  if (head.upgrade) {
    return std::unexpected{client_error("upgrade_required", "Protocol upgrades are not served; use plain HTTP/1.1 requests.", {}, 426)};
  }
  if (!dialect::allows(route, head.method)) {
    return std::unexpected{client_error("method_not_allowed",
                                        fmt::format("{} does not take {}; use {}.", quoted_for_message(head.path),
                                                    quoted_for_message(head.method), dialect::allow_header(route)),
                                        {}, 405)};
  }
  if (!served(route)) {
    return std::unexpected{client_error(
        "unsupported_endpoint",
        fmt::format("{} is not served here: answers are not kept. Send the whole conversation to /v1/responses.",
                    quoted_for_message(head.path)), {}, 404)};
  }
  if (query_has_key(head.query)) {
    return std::unexpected{client_error(
        "key_in_query", "A key in the query string ends up in logs; send it as Authorization: Bearer or x-api-key.")};
  }
  if (!takes_body(route)) return {};
  if (route.endpoint == Endpoint::gemini_stream && !asks_for_events(head.query)) {
    return std::unexpected{client_error("unsupported_parameter",
                                        "Streams are served as events only, not as one growing JSON array: add ?alt=sse.", "alt")};
  }
  if (auto media = check_media_type(head); !media) return media;
  return check_destination(head);
}

}  // namespace turnpike::gateway
