#include "server/chunk_guard.hpp"

#include <algorithm>

#include "server/http_syntax.hpp"

namespace turnpike::server {

namespace {

constexpr int size_digits_max = 16;

Error malformed(std::string message) { return client_error("malformed_chunk", std::move(message)); }

std::uint64_t hex_value(char digit) {
  const auto value = static_cast<unsigned char>(digit);
  return value <= '9' ? value - std::uint64_t{'0'} : (value | 0x20U) - std::uint64_t{'a'} + 10;
}

}  // namespace

std::expected<std::size_t, Error> ChunkGuard::feed(std::string_view wire, std::string& body) {
  std::size_t at = 0;
  while (at < wire.size() && state_ != State::complete) {
    if (state_ == State::data) {
      const auto take = std::min<std::uint64_t>(left_, wire.size() - at);
      body.append(wire.substr(at, static_cast<std::size_t>(take)));
      at += static_cast<std::size_t>(take);
      left_ -= take;
      if (left_ == 0) state_ = State::data_cr;
      continue;
    }
    if (auto error = step(wire[at++], body)) return std::unexpected{std::move(*error)};
  }
  return at;
}

std::optional<Error> ChunkGuard::step(char byte, const std::string& body) {
  switch (state_) {
    case State::size_first:
    case State::size:
      return take_size_byte(byte);
    case State::extension:
      return take_extension_byte(byte);
    case State::size_lf:
      if (byte != '\n') return malformed("a chunk size line does not end in CRLF");
      return end_size_line(body);
    case State::data_cr:
      if (byte != '\r') return malformed("chunk data is longer than its size says");
      state_ = State::data_lf;
      return std::nullopt;
    case State::data_lf:
      if (byte != '\n') return malformed("chunk data does not end in CRLF");
      state_ = State::size_first;
      return std::nullopt;
    case State::trailer:
      return take_trailer_byte(byte);
    case State::trailer_lf:
      if (byte != '\n') return malformed("a trailer line does not end in CRLF");
      return end_trailer_line();
    case State::data:
    case State::complete:
      break;
  }
  return std::nullopt;
}

std::optional<Error> ChunkGuard::take_size_byte(char byte) {
  if (is_class(byte, byte_class::hex)) {
    if (state_ == State::size_first) {
      state_ = State::size;
      size_digits_ = 0;
      left_ = 0;
      extension_bytes_ = 0;
    }
    if (++size_digits_ > size_digits_max) return malformed("a chunk size has more than 16 digits");
    left_ = left_ << 4U | hex_value(byte);
    return std::nullopt;
  }
  if (state_ == State::size_first) return malformed("a chunk does not begin with a hex digit");
  if (byte == '\r') {
    state_ = State::size_lf;
    return std::nullopt;
  }
  if (byte != ';') return malformed("a chunk size is followed by something else than CRLF or ';'");
  state_ = State::extension;
  return take_extension_byte(byte);
}

std::optional<Error> ChunkGuard::take_extension_byte(char byte) {
  if (byte == '\r') {
    state_ = State::size_lf;
    return std::nullopt;
  }
  if (!is_class(byte, byte_class::text))
    return malformed("a chunk extension contains a control byte");
  if (++extension_bytes_ > limits_.chunk_extension_bytes_max ||
      ++extensions_bytes_ > limits_.chunk_extensions_bytes_max) {
    return malformed("chunk extensions are too long");
  }
  return std::nullopt;
}

std::optional<Error> ChunkGuard::end_size_line(const std::string& body) {
  if (left_ == 0) {
    state_ = State::trailer;
    return std::nullopt;
  }
  if (left_ > limits_.body_bytes_max - std::min(limits_.body_bytes_max, body.size())) {
    return client_error("body_too_large", "the request body is larger than the limit", {}, 413);
  }
  state_ = State::data;
  return std::nullopt;
}

std::optional<Error> ChunkGuard::take_trailer_byte(char byte) {
  if (++trailer_bytes_ > limits_.trailer_bytes_max) {
    return client_error("trailer_too_large", "the trailer of the request is too large", {}, 431);
  }
  if (byte == '\r') {
    state_ = State::trailer_lf;
    return std::nullopt;
  }
  if (!is_class(byte, byte_class::text)) return malformed("the trailer contains a control byte");
  trailer_line_.push_back(byte);
  return std::nullopt;
}

std::optional<Error> ChunkGuard::end_trailer_line() {
  if (trailer_line_.empty()) {
    state_ = State::complete;
    return std::nullopt;
  }
  if (!parse_field_line(trailer_line_)) return malformed("a trailer field is malformed");
  trailer_line_.clear();
  state_ = State::trailer;
  return std::nullopt;
}

}  // namespace turnpike::server
