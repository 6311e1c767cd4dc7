// Upstream on libcurl: the only public header of the room. One object per event loop; everything
// here, and every Transfer it hands out, belongs to that loop's thread. No caller's code ever runs
// inside a libcurl callback.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <memory>

#include "turnpike/clock.hpp"
#include "turnpike/upstream.hpp"

namespace turnpike::upstream {

/// Bounds per event loop. Where a figure comes from: docs/decisions/0003-libcurl.md.
struct CurlLimits {
  std::size_t active_per_multi_max =
      32;  // libcurl's connection lookup is linear in a multi's connections
  std::size_t connections_per_multi_max = 64;  // open connections, idle ones included
  std::size_t idle_handles_max = 64;           // pooled easy handles, all trust domains together
  std::size_t receive_buffer_bytes =
      std::size_t{8} * 1024;  // libcurl's read buffer, one per open transfer
  std::size_t buffered_bytes_max =
      std::size_t{64} * 1024;  // undelivered bytes of one transfer, then it is paused
  std::size_t head_bytes_max =
      std::size_t{64} * 1024;  // all response heads of one call together, interim ones included
  std::size_t head_fields_max = 256;  // of one response head
};

class CurlLoop;

class CurlUpstream final : public Upstream {
 public:
  /// `loop` and `clock` outlive this object and every transfer it made.
  CurlUpstream(asio::io_context& loop, const Clock& clock, CurlLimits limits = {});
  /// Aborts what is still under way; the transfers that remain are inert.
  ~CurlUpstream() override;

  /// Never fails in place: an error arrives through head(), from the loop.
  std::unique_ptr<Transfer> send(UpstreamRequest request) override;

  /// To be called about once a second: enforces response_head, idle and total (connect is libcurl's
  /// own), and closes connection pools nobody has used for a while.
  void on_tick(Monotonic now);

  /// Calls that have not ended yet.
  [[nodiscard]] std::size_t active() const;

 private:
  std::shared_ptr<CurlLoop> loop_;
};

}  // namespace turnpike::upstream
