// The strict check of a raw request head, in front of Beast's parser.
//
//   head         := [CRLF] request-line field-line* CRLF
//   request-line := method SP target SP version CRLF
//   field-line   := name ":" OWS value OWS CRLF
//
// Beast 1.81 accepts a missing or double Host, `Content-Length: 5, 5`, obs-fold and unknown
// transfer codings; any of them lets two parsers disagree about where a request ends. Here every
// byte of the head is looked at once, and what the rules of the reliability specification, section
// 12, do not allow is an Error with its status. After an error nothing further of the connection
// may be parsed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "server/http_syntax.hpp"
#include "server/limits.hpp"
#include "turnpike/error.hpp"

namespace turnpike::server {

enum class BodyFraming : std::uint8_t { none, length, chunked };

/// What the head says about framing and the connection. Views point into the bytes given to the
/// last scan().
struct HeadFacts {
  std::string_view method;
  std::string_view target;  // path and query; the authority of absolute-form is taken off
  std::size_t fields = 0;
  bool http_1_1 = false;
  BodyFraming framing = BodyFraming::none;
  std::uint64_t content_length = 0;  // with framing length
  bool keep_alive = false;
  bool expect_continue = false;
  bool upgrade = false;

  [[nodiscard]] bool has_body() const {
    return framing == BodyFraming::chunked || content_length > 0;
  }
};

/// Reads one head, in as many pieces as it arrives. A value of its own per request; reset() begins
/// the next.
class HttpGuard {
 public:
  explicit HttpGuard(const ServerLimits& limits) : limits_(limits) {}

  /// `head_so_far` begins at the first byte of the request and holds all bytes since; bytes of
  /// earlier calls are not looked at again. true: the head is complete, head_bytes() long; what
  /// follows is body.
  std::expected<bool, Error> scan(std::string_view head_so_far);
  [[nodiscard]] std::size_t head_bytes() const { return scanned_; }

  /// After scan() gave true; valid while the scanned bytes live.
  [[nodiscard]] const HeadFacts& facts() const { return facts_; }
  /// The target as far as it is known, for an error reply: empty before a sound request line.
  [[nodiscard]] std::string_view target_seen() const { return facts_.target; }

  void reset();

 private:
  /// An offset and length, since the buffer may move between two calls of scan().
  struct Span {
    std::size_t at = 0;
    std::size_t size = 0;
    [[nodiscard]] std::string_view of(std::string_view bytes) const {
      return bytes.substr(at, size);
    }
  };

  std::optional<Error> take_line(std::string_view line);
  std::optional<Error> take_request_line(std::string_view line);
  std::optional<Error> take_target(std::string_view target);
  std::optional<Error> take_absolute_form(std::string_view target);
  std::optional<Error> take_field(std::string_view line);
  std::optional<Error> take_host(std::string_view value);
  std::optional<Error> take_content_length(std::string_view value);
  std::optional<Error> take_expect(std::string_view value);
  void take_connection(std::string_view value);
  std::optional<Error> finish();
  std::optional<Error> check_size(std::size_t bytes) const;
  [[nodiscard]] Span span_of(std::string_view part) const;
  void publish_views(std::string_view bytes);

  const ServerLimits& limits_;
  std::string_view bytes_;   // only during scan()
  std::size_t scanned_ = 0;  // bytes looked at
  std::size_t line_begin_ = 0;
  bool after_cr_ = false;
  bool request_line_done_ = false;
  Span method_, target_, authority_, host_;
  bool absolute_form_ = false;
  int hosts_ = 0;
  int content_lengths_ = 0;
  int transfer_codings_ = 0;
  bool chunked_ = false;
  bool close_asked_ = false;
  bool keep_alive_asked_ = false;
  bool upgrade_asked_ = false;
  bool upgrade_named_ = false;
  bool expects_continue_ = false;
  HeadFacts facts_;
};

}  // namespace turnpike::server
