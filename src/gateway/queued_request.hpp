// A request that waits for its place: until it is granted one, has to give way, has waited long enough, or its client
// leaves.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "gateway/admission_gate.hpp"
#include "gateway/ticker.hpp"
#include "turnpike/account.hpp"
#include "turnpike/stream.hpp"
#include "turnpike/task.hpp"

namespace turnpike::gateway {

enum class WaitEnd : std::uint8_t { entered, displaced, waited_too_long, client_gone, draining };

struct Waited {
  WaitEnd end = WaitEnd::displaced;
  AdmissionGate::Place place;  // held if entered
};

/// One event loop's, but for decided(), which any thread may call. All references outlive the waiting.
class QueuedRequest final : public AdmissionGate::Waiter,
                            public SinkWatcher,
                            public Ticked,
                            public std::enable_shared_from_this<QueuedRequest> {
 public:
  QueuedRequest(AdmissionGate& gate, Standing standing, ResponseSink& sink, Ticker& ticker, asio::any_io_executor executor);

  /// Joins the line and waits. Once.
  static asio::awaitable<Waited> wait(std::shared_ptr<QueuedRequest> self);

  void decided(AdmissionGate::Place place) override;
  void on_drained() override {}
  void on_gone() override { leave(WaitEnd::client_gone); }
  void on_tick(Monotonic) override {}
  void on_shutdown() override { leave(WaitEnd::draining); }

 private:
  class Watching;
  void leave(WaitEnd why);

  AdmissionGate& gate_;
  ResponseSink& sink_;
  Ticker& ticker_;
  asio::any_io_executor executor_;
  asio::steady_timer timer_;
  AdmissionGate::Place place_;  // granted, and not yet taken by the coroutine
  OneShot<WaitEnd> end_;
};

}  // namespace turnpike::gateway
