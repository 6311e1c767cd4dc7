#include "server/http_guard.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>

namespace turnpike::server {

namespace {

Error bad_request(std::string code, std::string message) {
  return client_error(std::move(code), std::move(message));
}

/// '%' stands only before two hex digits.
bool percent_encoding_sound(std::string_view text) {
  for (auto at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    if (text.size() - at < 3) return false;
    if (!is_class(text[at + 1], byte_class::hex) || !is_class(text[at + 2], byte_class::hex)) {
      return false;
    }
  }
  return true;
}

bool port_sound(std::string_view port) {
  if (port.empty()) return true;  // "host:" is in the grammar and means the default port
  if (port.size() > 5 || !all_of_class(port, byte_class::digit)) return false;
  unsigned value = 0;
  std::from_chars(port.data(), port.data() + port.size(), value);
  return value <= 65535;
}

bool ip_literal_sound(std::string_view inside_brackets) {
  if (inside_brackets.find(':') == std::string_view::npos) return false;
  return std::ranges::all_of(inside_brackets, [](char byte) {
    return byte == ':' || byte == '.' || is_class(byte, byte_class::hex);
  });
}

/// uri-host [":" port], nothing before it, nothing else in it.
bool authority_sound(std::string_view authority) {
  if (authority.starts_with('[')) {
    const auto end = authority.find(']');
    if (end == std::string_view::npos) return false;
    const auto rest = authority.substr(end + 1);
    if (!rest.empty() && (rest.front() != ':' || !port_sound(rest.substr(1)))) return false;
    return ip_literal_sound(authority.substr(1, end - 1));
  }
  const auto colon = authority.find(':');
  const auto name = authority.substr(0, colon);
  if (name.empty() || !all_of_class(name, byte_class::host) || !percent_encoding_sound(name)) {
    return false;
  }
  return colon == std::string_view::npos || port_sound(authority.substr(colon + 1));
}

bool same_authority(std::string_view one, std::string_view other) {
  auto lower = [](char byte) {
    return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
  };
  return std::ranges::equal(one, other, {}, lower, lower);
}

}  // namespace

void HttpGuard::reset() {
  const auto& limits = limits_;
  std::destroy_at(this);
  std::construct_at(this, limits);
}

std::expected<bool, Error> HttpGuard::scan(std::string_view head_so_far) {
  bytes_ = head_so_far;
  auto fail = [this](Error error) {
    publish_views(bytes_);
    return std::unexpected{std::move(error)};
  };
  while (scanned_ < bytes_.size()) {
    const char byte = bytes_[scanned_++];
    if (byte != '\n') {
      if (after_cr_)
        return fail(bad_request("bare_cr", "a CR in the request head is not followed by LF"));
      after_cr_ = byte == '\r';
      if (!after_cr_ && !is_class(byte, byte_class::text)) {
        return fail(bad_request("control_byte", "the request head contains a control byte"));
      }
      continue;
    }
    if (!after_cr_)
      return fail(bad_request("bare_lf", "a line of the request head ends in LF without CR"));
    after_cr_ = false;
    if (auto error = check_size(scanned_)) return fail(std::move(*error));
    const auto line = bytes_.substr(line_begin_, scanned_ - 2 - line_begin_);
    line_begin_ = scanned_;
    const bool last = line.empty() && request_line_done_;
    if (auto error = last ? finish() : take_line(line)) return fail(std::move(*error));
    if (last) {
      publish_views(bytes_);
      return true;
    }
  }
  if (auto error = check_size(scanned_)) return fail(std::move(*error));
  return false;
}

std::optional<Error> HttpGuard::check_size(std::size_t bytes) const {
  if (bytes <= limits_.head_bytes_max) return std::nullopt;
  if (!request_line_done_) {
    return client_error("target_too_long", "the request target is too long", {}, 414);
  }
  return client_error("head_too_large", "the request head is too large", {}, 431);
}

std::optional<Error> HttpGuard::take_line(std::string_view line) {
  if (request_line_done_) return take_field(line);
  if (line.empty() && line_begin_ == 2)
    return std::nullopt;  // one empty line before the request is forgiven
  auto error = take_request_line(line);
  request_line_done_ = true;
  return error;
}

std::optional<Error> HttpGuard::take_request_line(std::string_view line) {
  const auto first_space = line.find(' ');
  const auto method = line.substr(0, first_space);
  if (method.empty() || !all_of_class(method, byte_class::token)) {
    return bad_request("malformed_request_line", "the request line has no method");
  }
  const auto second_space =
      first_space == std::string_view::npos ? first_space : line.find(' ', first_space + 1);
  const auto version =
      second_space == std::string_view::npos ? std::string_view{} : line.substr(second_space + 1);
  if (version.find(' ') != std::string_view::npos) {
    return bad_request("malformed_request_line", "the request line has more than three parts");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return client_error("http_version_not_supported", "only HTTP/1.1 and HTTP/1.0 are spoken here",
                        {}, 505);
  }
  facts_.http_1_1 = version == "HTTP/1.1";
  method_ = span_of(method);
  if (method == "CONNECT" || method == "TRACE") {
    return client_error("method_not_allowed", "this method is not allowed", {}, 405);
  }
  return take_target(line.substr(first_space + 1, second_space - first_space - 1));
}

std::optional<Error> HttpGuard::take_target(std::string_view target) {
  if (target.size() > limits_.target_bytes_max) {
    return client_error("target_too_long", "the request target is too long", {}, 414);
  }
  if (!all_of_class(target, byte_class::target) || !percent_encoding_sound(target)) {
    return bad_request("malformed_target",
                       "the request target contains a byte that is not allowed in it");
  }
  const bool asterisk = target == "*" && method_.of(bytes_) == "OPTIONS";
  if (target.starts_with('/') || asterisk) {
    target_ = span_of(target);
    return std::nullopt;
  }
  return take_absolute_form(target);
}

std::optional<Error> HttpGuard::take_absolute_form(std::string_view target) {
  const auto colon = target.find("://");
  const auto scheme = target.substr(0, colon);
  const bool http = equals_ignoring_case(scheme, "http") || equals_ignoring_case(scheme, "https");
  if (colon == std::string_view::npos || !http) {
    return bad_request("malformed_target", "the request target is neither a path nor an http URL");
  }
  const auto rest = target.substr(colon + 3);
  const auto authority = rest.substr(0, rest.find_first_of("/?"));
  if (!authority_sound(authority)) {
    return bad_request("malformed_target", "the authority of the request target is malformed");
  }
  absolute_form_ = true;
  authority_ = span_of(authority);
  target_ = span_of(rest.substr(authority.size()));
  return std::nullopt;
}

std::optional<Error> HttpGuard::take_field(std::string_view line) {
  if (++facts_.fields > limits_.fields_max) {
    return client_error("too_many_fields", "the request head has too many fields", {}, 431);
  }
  const auto field = parse_field_line(line);
  if (!field) {
    return bad_request("malformed_field",
                       "a header field is malformed (name, colon, value on one line)");
  }
  switch (field->name.size()) {
    case 4:
      if (equals_ignoring_case(field->name, "host")) return take_host(field->value);
      break;
    case 6:
      if (equals_ignoring_case(field->name, "expect")) return take_expect(field->value);
      break;
    case 7:
      if (equals_ignoring_case(field->name, "upgrade")) upgrade_named_ = true;
      break;
    case 10:
      if (equals_ignoring_case(field->name, "connection")) take_connection(field->value);
      break;
    case 14:
      if (equals_ignoring_case(field->name, "content-length"))
        return take_content_length(field->value);
      break;
    case 17:
      if (equals_ignoring_case(field->name, "transfer-encoding")) {
        ++transfer_codings_;
        chunked_ = equals_ignoring_case(field->value, "chunked");
      }
      break;
    default:
      break;
  }
  return std::nullopt;
}

std::optional<Error> HttpGuard::take_host(std::string_view value) {
  if (++hosts_ > 1) return bad_request("host_repeated", "the Host field appears more than once");
  if (!authority_sound(value)) {
    return bad_request("malformed_host", "the Host field is not one host with an optional port");
  }
  host_ = span_of(value);
  return std::nullopt;
}

std::optional<Error> HttpGuard::take_content_length(std::string_view value) {
  if (++content_lengths_ > 1) {
    return bad_request("content_length_repeated",
                       "the Content-Length field appears more than once");
  }
  const bool leading_zero = value.size() > 1 && value.front() == '0';
  std::uint64_t length = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), length);
  const bool whole =
      !value.empty() && all_of_class(value, byte_class::digit) && parsed.ec == std::errc{};
  if (!whole || leading_zero || length > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    return bad_request("malformed_content_length",
                       "Content-Length is not one plain decimal number");
  }
  facts_.content_length = length;
  return std::nullopt;
}

std::optional<Error> HttpGuard::take_expect(std::string_view value) {
  if (!equals_ignoring_case(value, "100-continue")) {
    return client_error("expectation_failed", "the only expectation met here is 100-continue", {},
                        417);
  }
  expects_continue_ = facts_.http_1_1;  // HTTP/1.0 knows no interim responses
  return std::nullopt;
}

void HttpGuard::take_connection(std::string_view value) {
  while (!value.empty()) {
    const auto option = next_list_element(value);
    close_asked_ |= equals_ignoring_case(option, "close");
    keep_alive_asked_ |= equals_ignoring_case(option, "keep-alive");
    upgrade_asked_ |= equals_ignoring_case(option, "upgrade");
  }
}

std::optional<Error> HttpGuard::finish() {
  if (facts_.http_1_1 && hosts_ == 0) {
    return bad_request("host_missing", "an HTTP/1.1 request needs a Host field");
  }
  if (absolute_form_ && hosts_ == 1 && !same_authority(authority_.of(bytes_), host_.of(bytes_))) {
    return bad_request("host_mismatch",
                       "the Host field differs from the authority of the request target");
  }
  if (content_lengths_ > 0 && transfer_codings_ > 0) {
    return bad_request("ambiguous_framing",
                       "Content-Length and Transfer-Encoding exclude each other");
  }
  if (transfer_codings_ > 0) {
    if (transfer_codings_ > 1 || !chunked_ || !facts_.http_1_1) {
      return client_error("transfer_encoding_unsupported",
                          "the only transfer coding accepted is chunked, on HTTP/1.1", {}, 501);
    }
    facts_.framing = BodyFraming::chunked;
  } else if (content_lengths_ > 0) {
    facts_.framing = BodyFraming::length;
  }
  facts_.keep_alive = !close_asked_ && (facts_.http_1_1 || keep_alive_asked_);
  facts_.expect_continue = expects_continue_;
  facts_.upgrade = upgrade_asked_ && upgrade_named_ && facts_.http_1_1;
  return std::nullopt;
}

HttpGuard::Span HttpGuard::span_of(std::string_view part) const {
  return Span{static_cast<std::size_t>(part.data() - bytes_.data()), part.size()};
}

void HttpGuard::publish_views(std::string_view bytes) {
  facts_.method = method_.of(bytes);
  facts_.target = target_.of(bytes);
}

}  // namespace turnpike::server
