// Every bound the HTTP server enforces, in one place. Numbers: reliability specification, sections
// 10 to 12.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace turnpike::server {

inline constexpr std::size_t kib = 1024;

struct ServerLimits {
  std::chrono::milliseconds handshake_timeout{10'000};  // of TLS: closed

  // The request head.
  std::size_t head_bytes_max = 32 * kib;           // 431 above
  std::size_t fields_max = 100;                    // 431 above
  std::size_t target_bytes_max = 8 * kib;          // 414 above
  std::chrono::milliseconds head_timeout{10'000};  // from its first byte; 408 above
  std::chrono::milliseconds idle_timeout{75'000};  // keep-alive without a byte: closed

  // The request body.
  std::size_t body_bytes_max = 32 * kib * kib;   // 413 above, from Content-Length before reading
  std::size_t body_bytes_per_second_min = 1024;  // 408 below, once the grace is over
  std::chrono::milliseconds body_grace{10'000};
  std::chrono::milliseconds body_timeout{120'000};    // 408 above
  std::size_t chunk_extension_bytes_max = 1024;       // of one chunk
  std::size_t chunk_extensions_bytes_max = 16 * kib;  // of one message
  std::size_t trailer_bytes_max = 8 * kib;
  std::size_t rejected_body_bytes_max = 64 * kib;  // drained before the connection closes

  // Bytes kept for later: requests sent ahead of their turn, and output the client is slow to take.
  std::size_t pipelined_bytes_max = 64 * kib;
  std::size_t write_queue_bytes_max = 256 * kib;          // SinkState::full above
  std::chrono::milliseconds slow_reader_timeout{60'000};  // no byte taken while data waits: cut

  // Closing and accepting.
  std::chrono::milliseconds linger_timeout{
      1'000};  // half-closed, waiting for the client's own close
  std::chrono::milliseconds drain_idle_timeout{1'000};  // idle connections while draining
  std::chrono::milliseconds accept_pause{50};           // when descriptors have run out
  std::size_t connections_max = 0;  // 0: half the descriptor limit of the process
};

}  // namespace turnpike::server
