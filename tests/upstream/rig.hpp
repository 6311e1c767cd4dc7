// A loop with a CurlUpstream on it, ticked often, and a receiver that remembers.
#pragma once

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "support/permit_for_tests.hpp"
#include "support/raw_server.hpp"
#include "turnpike/clock.hpp"
#include "upstream/curl_upstream.hpp"

namespace turnpike::test {

using namespace std::chrono_literals;

/// Collects what a transfer tells; `hook` may answer with a pause or do something rash.
class Collector final : public BodyReceiver {
 public:
  Flow on_bytes(std::string_view bytes) override {
    ++wakes;
    largest = std::max(largest, bytes.size());
    body.append(bytes);
    return hook ? hook() : Flow::proceed;
  }
  void on_end(const Result<void>& outcome) override {
    end = outcome;
    if (end_hook) end_hook();
  }

  std::string body;
  std::size_t wakes = 0;
  std::size_t largest = 0;
  std::optional<Result<void>> end;
  std::function<Flow()> hook;
  std::function<void()> end_hook;
};

struct Exchanged {
  std::optional<Result<UpstreamHead>> head;
  Collector receiver;
  std::unique_ptr<Transfer> transfer;

  [[nodiscard]] bool over() const {
    return head && (!head->has_value() || receiver.end.has_value());
  }
  /// The code of whatever error there was; "" if none.
  [[nodiscard]] std::string error() const {
    if (head && !head->has_value()) return head->error().code;
    if (receiver.end && !receiver.end->has_value()) return receiver.end->error().code;
    return {};
  }
};

inline asio::awaitable<void> drive(Exchanged& exchanged) {
  if (!exchanged.transfer) co_return;  // the test destroyed it before the loop came here
  exchanged.head = co_await exchanged.transfer->head();
  if (exchanged.transfer && exchanged.head->has_value())
    exchanged.transfer->receive(exchanged.receiver);
}

class Rig {
 public:
  explicit Rig(upstream::CurlLimits limits = {}, std::chrono::milliseconds tick_every = 10ms)
      : upstream(loop, clock, limits), ticker_(loop), tick_every_(tick_every) {
    tick();
  }

  std::shared_ptr<Endpoint> endpoint(std::string base_url) {
    auto made = std::make_shared<Endpoint>();
    made->provider = "example";
    made->base_url = std::move(base_url);
    made->auth_header = "Authorization";
    made->auth_prefix = "Bearer ";
    made->key = Secret{"sk-canary-4711"};
    return made;
  }

  UpstreamRequest request(std::shared_ptr<const Endpoint> to,
                          std::string body = R"({"model":"m"})") {
    UpstreamRequest made{account::Reservation::permit("attempt"), std::move(to), "/v1/messages",
                         std::move(body)};
    made.stream = true;
    return made;
  }

  /// Sends, and receives the body as soon as the head is there.
  std::unique_ptr<Exchanged> start(UpstreamRequest request) {
    auto exchanged = std::make_unique<Exchanged>();
    exchanged->transfer = upstream.send(std::move(request));
    asio::co_spawn(loop, drive(*exchanged), asio::detached);
    return exchanged;
  }

  /// start(), then runs the loop until it is over.
  std::unique_ptr<Exchanged> fetch(UpstreamRequest request) {
    auto exchanged = start(std::move(request));
    run_until([&] { return exchanged->over(); });
    return exchanged;
  }
  std::unique_ptr<Exchanged> fetch(const std::string& base_url) {
    return fetch(request(endpoint(base_url)));
  }

  /// False if it did not happen in time.
  template <typename Predicate>
  bool run_until(Predicate happened, std::chrono::milliseconds at_most = 20s) {
    const auto deadline = clock.monotonic() + at_most;
    while (!happened()) {
      if (clock.monotonic() > deadline) return false;
      loop.run_one_for(10ms);
    }
    return true;
  }
  void run_for(std::chrono::milliseconds time) {
    run_until([] { return false; }, time);
  }

 private:
  void tick() {
    ticker_.expires_after(tick_every_);
    ticker_.async_wait([this](const boost::system::error_code& failed) {
      if (failed) return;
      upstream.on_tick(clock.monotonic());
      tick();
    });
  }

 public:
  asio::io_context loop{1};
  SystemClock clock;
  upstream::CurlUpstream upstream;

 private:
  asio::steady_timer ticker_;
  std::chrono::milliseconds tick_every_;
};

}  // namespace turnpike::test
