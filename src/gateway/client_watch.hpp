// What happens to a call whose client leaves before the answer has begun.
#pragma once

#include <chrono>

#include "gateway/ticker.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/stream.hpp"
#include "turnpike/upstream.hpp"

namespace turnpike::gateway {

enum class WhenGone : std::uint8_t { cancel, drain };

/// Lives while a call waits for its head or its whole body. cancel: closing the connection stops the provider's meter,
/// so the call ends at once. drain: only the answer tells the price, so it is read to its end, at most `drain_max` long.
class ClientWatch final : public SinkWatcher, public Ticked {
 public:
  static constexpr std::chrono::seconds drain_max{120};

  ClientWatch(ResponseSink& sink, Transfer& transfer, WhenGone when_gone, const Clock& clock, Ticker& ticker, int& drains)
      : sink_(sink), transfer_(transfer), when_gone_(when_gone), clock_(clock), ticker_(ticker), drains_(drains) {
    ticker_.add(*this);
    sink_.watch(this);
    if (sink_.gone()) on_gone();
  }
  ~ClientWatch() override {
    sink_.watch(nullptr);
    ticker_.remove(*this);
    if (gone_ && when_gone_ == WhenGone::drain) --drains_;
  }
  ClientWatch(const ClientWatch&) = delete;
  ClientWatch& operator=(const ClientWatch&) = delete;

  void on_drained() override {}
  void on_gone() override {
    if (gone_) return;
    gone_ = true;
    gone_at_ = clock_.monotonic();
    if (when_gone_ == WhenGone::cancel) {
      transfer_.cancel();
    } else {
      ++drains_;
    }
  }
  void on_shutdown() override { transfer_.cancel(); }
  void on_tick(Monotonic now) override {
    if (gone_ && when_gone_ == WhenGone::drain && now - gone_at_ > drain_max) transfer_.cancel();
  }
  [[nodiscard]] bool gone() const { return gone_; }

 private:
  ResponseSink& sink_;
  Transfer& transfer_;
  WhenGone when_gone_;
  const Clock& clock_;
  Ticker& ticker_;
  int& drains_;  // answers of this loop that are read on without a client
  bool gone_ = false;
  Monotonic gone_at_{};
};

}  // namespace turnpike::gateway
