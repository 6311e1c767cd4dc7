#include "gateway/queued_request.hpp"

#include <boost/asio/post.hpp>
#include <utility>

namespace turnpike::gateway {

/// While it exists, client, ticker and timer may end the waiting. Also gone when the coroutine is destroyed as it waits.
class QueuedRequest::Watching {
 public:
  explicit Watching(QueuedRequest& queued) : queued_(queued) {
    queued_.ticker_.add(queued_);
    queued_.sink_.watch(&queued_);
    queued_.timer_.expires_after(queued_.gate_.limits().wait_max);
    queued_.timer_.async_wait([weak = queued_.weak_from_this()](const boost::system::error_code& cancelled) {
      const auto self = weak.lock();
      if (self && !cancelled) self->leave(WaitEnd::waited_too_long);
    });
  }
  ~Watching() {
    queued_.sink_.watch(nullptr);
    queued_.ticker_.remove(queued_);
    queued_.timer_.cancel();
    queued_.gate_.withdraw(queued_);
  }
  Watching(const Watching&) = delete;
  Watching& operator=(const Watching&) = delete;

 private:
  QueuedRequest& queued_;
};

QueuedRequest::QueuedRequest(AdmissionGate& gate, Standing standing, ResponseSink& sink, Ticker& ticker, asio::any_io_executor executor)
    : Waiter(standing), gate_(gate), sink_(sink), ticker_(ticker), executor_(std::move(executor)), timer_(executor_) {}

asio::awaitable<Waited> QueuedRequest::wait(std::shared_ptr<QueuedRequest> self) {
  if (self->ticker_.ended()) co_return Waited{WaitEnd::draining, {}};
  auto entry = self->gate_.join(self);
  if (entry.joined == AdmissionGate::Joined::entered) co_return Waited{WaitEnd::entered, std::move(entry.place)};
  if (entry.joined == AdmissionGate::Joined::turned_away) co_return Waited{WaitEnd::displaced, {}};
  const Watching watching{*self};
  if (self->sink_.gone()) self->on_gone();
  const WaitEnd end = co_await self->end_.wait();
  co_return Waited{end, std::move(self->place_)};
}

/// The loop that the request lives on learns of it in its own time; until then nobody else can end the waiting, since
/// it is in the line no more.
void QueuedRequest::decided(AdmissionGate::Place place) {
  asio::post(executor_, [self = shared_from_this(), given = std::move(place)]() mutable {
    self->place_ = std::move(given);
    self->end_.set(self->place_.held() ? WaitEnd::entered : WaitEnd::displaced);
  });
}

void QueuedRequest::leave(WaitEnd why) {
  if (gate_.withdraw(*this)) end_.set(why);
}

}  // namespace turnpike::gateway
