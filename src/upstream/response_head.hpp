// Reads response heads line by line as libcurl delivers them, and keeps only what may travel
// further.
//   heads  := interim* final          interim := a head with status 100 or 103
//   head   := status-line field* CRLF
// libcurl 7.88 lets statuses such as 999 and any number of fields pass; the limits here are ours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "turnpike/upstream.hpp"

namespace turnpike::upstream {

class ResponseHeadReader {
 public:
  enum class State : std::uint8_t { reading, complete, refused };

  ResponseHeadReader(std::size_t bytes_max, std::size_t fields_max)
      : bytes_max_(bytes_max), fields_max_(fields_max) {}

  /// One line with its line end. After `complete` further lines are trailers: counted against the
  /// limit, then dropped.
  State feed(std::string_view line);

  [[nodiscard]] State state() const { return state_; }
  /// Bytes of heads seen so far; 0 means that the upstream has not answered at all.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// Why the head was refused, for a person: "status 302 (redirects are never followed)". Only if
  /// refused.
  [[nodiscard]] const std::string& fault() const { return fault_; }
  /// Only if complete. Hands the head over.
  UpstreamHead take() { return std::move(head_); }

 private:
  State refuse(std::string fault);
  State read_status(std::string_view line);
  void read_field(std::string_view line);

  std::size_t bytes_max_;
  std::size_t fields_max_;
  std::size_t bytes_ = 0;
  std::size_t fields_ = 0;
  State state_ = State::reading;
  bool interim_ = false;
  UpstreamHead head_;
  std::string fault_;
};

/// True for the response header names (lower case) that are handed on: request ids, retry advice,
/// rate-limit figures.
bool is_forwarded_header(std::string_view lower_case_name);

}  // namespace turnpike::upstream
