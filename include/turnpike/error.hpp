// Expected failure is a value: Result<T> = std::expected<T, Error>. Where a failure is seen it is also decided
// whether another candidate may be tried; one place (Gateway::handle) turns it into the client's dialect.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace turnpike {

/// Whose failure it is, and so on whose graph it is drawn.
enum class Origin : std::uint8_t { client, gateway, upstream };

/// never: the answer would be the same, or has already begun to stream. next_candidate: another target may do.
/// same_then_next: a passing fault; the same target may be tried once more first.
enum class Retry : std::uint8_t { never, next_candidate, same_then_next };

struct Error {
  Origin origin = Origin::gateway;
  int http_status = 500;
  Retry retry = Retry::never;
  /// Stable machine word in snake_case: metric label and `code` of the error body ("budget_exhausted").
  std::string code = "internal";
  /// For the person who reads it: what is wrong and what to do. No key, no prompt; at most 256 bytes of client text.
  std::string message;
  /// JSON path of the field at fault, for example "messages[3].content"; empty if none.
  std::string param;
  /// Seconds for Retry-After; absent if no header is to be sent.
  std::optional<int> retry_after_s;
  /// Value of x-should-retry; absent if the header is to be left out.
  std::optional<bool> should_retry;
  /// The upstream's error body as it came, forwarded unmodified when both sides speak one dialect. Else empty.
  std::string upstream_body;
};

template <typename T>
using Result = std::expected<T, Error>;

/// The client sent something that cannot be served: 400 unless said otherwise.
inline Error client_error(std::string code, std::string message, std::string param = {},
                          int http_status = 400) {
  Error error;
  error.origin = Origin::client;
  error.http_status = http_status;
  error.code = std::move(code);
  error.message = std::move(message);
  error.param = std::move(param);
  return error;
}

/// The provider failed or answered something unusable.
inline Error upstream_error(int http_status, Retry retry, std::string code, std::string message) {
  Error error;
  error.origin = Origin::upstream;
  error.http_status = http_status;
  error.retry = retry;
  error.code = std::move(code);
  error.message = std::move(message);
  return error;
}

/// The gateway itself cannot serve (overload, store down, configuration).
inline Error gateway_error(int http_status, std::string code, std::string message) {
  Error error;
  error.origin = Origin::gateway;
  error.http_status = http_status;
  error.code = std::move(code);
  error.message = std::move(message);
  return error;
}

/// Client text made safe for a message, header, log line or label: control bytes and quotes escaped, at most 256 bytes.
std::string quoted_for_message(std::string_view client_text);

}  // namespace turnpike
