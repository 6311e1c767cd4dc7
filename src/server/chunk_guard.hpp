// Takes the body out of the chunked transfer coding (RFC 9112, 7.1), strictly.
//
//   chunked-body := chunk* last-chunk trailer-line* CRLF
//   chunk        := size [";" extension] CRLF data CRLF        size: 1 to 16 hex digits, not zero
//   last-chunk   := "0"+ [";" extension] CRLF
//
// Extensions are read over, trailer fields are checked and discarded: nothing behind the head may
// become a header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "server/limits.hpp"
#include "turnpike/error.hpp"

namespace turnpike::server {

/// One per chunked request. Linear in the bytes of the wire, one-byte chunks included; holds
/// nothing but the trailer.
class ChunkGuard {
 public:
  explicit ChunkGuard(const ServerLimits& limits) : limits_(limits) {}

  /// Appends the data in `wire` to `body` and gives the number of bytes read: all of them, or fewer
  /// when the body is complete. An error is final.
  std::expected<std::size_t, Error> feed(std::string_view wire, std::string& body);
  [[nodiscard]] bool complete() const { return state_ == State::complete; }

 private:
  enum class State : std::uint8_t {
    size_first,
    size,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer,
    trailer_lf,
    complete
  };

  std::optional<Error> step(char byte, const std::string& body);
  std::optional<Error> take_size_byte(char byte);
  std::optional<Error> take_extension_byte(char byte);
  std::optional<Error> end_size_line(const std::string& body);
  std::optional<Error> take_trailer_byte(char byte);
  std::optional<Error> end_trailer_line();

  const ServerLimits& limits_;
  State state_ = State::size_first;
  int size_digits_ = 0;
  std::uint64_t left_ =
      0;  // of the chunk: its size while that is read, then the data still to come
  std::size_t extension_bytes_ = 0;
  std::size_t extensions_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::string trailer_line_;
};

}  // namespace turnpike::server
