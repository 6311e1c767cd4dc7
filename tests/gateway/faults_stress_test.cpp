// U17 in real time: a thousand requests a second against two targets that fail at random. TURNPIKE_SCALE multiplies the
// three seconds it takes.
#include <boost/asio/steady_timer.hpp>
#include <cstdlib>
#include <random>

#include "gateway/bench.hpp"

using namespace turnpike;
using namespace turnpike::gateway;
using namespace turnpike::gateway::testing;
using namespace std::chrono_literals;

namespace {

/// Answers after 5 to 40 ms; one answer in ten is a failure, of a kind drawn at random. Writes the provider's bill.
class RandomUpstream final : public Upstream {
 public:
  RandomUpstream(asio::io_context& loop, std::uint64_t seed) : loop_(loop), random_(seed) {}
  std::unique_ptr<Transfer> send(UpstreamRequest request) override {
    ++attempts;
    in_flight_max = std::max(in_flight_max, ++in_flight);
    const bool fails = random_() % 10 == 0;
    const auto delay = std::chrono::milliseconds{5 + random_() % 36};
    if (!fails) billed_nano += request.endpoint->provider == "cheap" ? exact_cost_nano : 10 * exact_cost_nano;
    return std::make_unique<Drawn>(*this, delay, fails ? 1 + static_cast<int>(random_() % 4) : 0);
  }
  std::int64_t attempts = 0;
  std::int64_t in_flight = 0;
  std::int64_t in_flight_max = 0;
  std::int64_t billed_nano = 0;

 private:
  class Drawn final : public Transfer {
   public:
    Drawn(RandomUpstream& owner, std::chrono::milliseconds delay, int failure) : owner_(owner), timer_(owner.loop_, delay), failure_(failure) {}
    ~Drawn() override { --owner_.in_flight; }
    Task<UpstreamHead> head() override {
      co_await timer_.async_wait(asio::use_awaitable);
      if (failure_ == 1) co_return std::unexpected{upstream_error(502, Retry::next_candidate, "connect_failed", "refused")};
      UpstreamHead head{200, "text/event-stream", {}};
      if (failure_ == 2) head.status = 503;
      co_return head;
    }
    void receive(BodyReceiver& receiver) override {
      asio::post(owner_.loop_, [this, &receiver, alive = std::weak_ptr<bool>{alive_}] {
        if (alive.expired()) return;
        if (failure_ == 0) receiver.on_bytes(chunk(R"({"role":"assistant","content":"Hello"})") + chunk("{}", "\"stop\"") + usage_chunk + done);
        if (failure_ == 3) receiver.on_bytes(R"(data: {"error":{"message":"busy","type":"server_error"}})" "\n\n");
        if (alive.expired()) return;
        receiver.on_end(Result<void>{});
      });
    }
    void resume() override {}
    void cancel() override {}
    [[nodiscard]] bool fully_sent() const override { return failure_ != 1; }

   private:
    RandomUpstream& owner_;
    asio::steady_timer timer_;
    int failure_;  // 0: none; 1: no connection; 2: 503; 3: an error event first; 4: an empty stream
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  };

  asio::io_context& loop_;
  std::mt19937_64 random_;
};

}  // namespace

TEST_CASE("U17: of a thousand requests a second against backends that fail one in ten, hardly any client sees a failure", "[stress][U17]") {
  const char* scale = std::getenv("TURNPIKE_SCALE");
  const auto total = static_cast<std::size_t>(3000 * (scale == nullptr ? 1.0 : std::strtod(scale, nullptr)));
  const auto seed = std::random_device{}();
  CAPTURE(seed, total);
  Bench bench;
  RandomUpstream upstream{bench.loop, seed};
  Shared shared{*bench.ledger, *bench.opaque, bench.conversations, *bench.backends, bench.tokens, bench.clock, bench.randomness, bench.learned};
  Gateway gateway{shared, upstream, bench.metrics.add_shard(), bench.snapshot};
  std::vector<RecordingSink> sinks(total);
  const auto begin = std::chrono::steady_clock::now();
  std::size_t started = 0;
  const auto over = [&] { return started == total && std::ranges::all_of(sinks, [](const auto& s) { return s.finished || s.replied; }); };
  std::chrono::microseconds passed{0};
  while (!over()) {
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
    REQUIRE(now < 10min);
    bench.clock.advance(now - passed);
    passed = now;
    for (; started < total && std::chrono::milliseconds{started} <= now; ++started) {
      ClientRequest request;
      request.head = bench.head();
      request.admission = *gateway.on_head(request.head);
      request.body = streamed;
      request.body.reserve(request.body.size() + 64);
      request.received = bench.clock.monotonic();
      asio::co_spawn(bench.loop, gateway.handle(std::move(request), sinks[started]), asio::detached);
    }
    bench.loop.restart();
    bench.loop.run_one_for(1ms);
    bench.loop.poll();
  }
  bench.run();
  const auto failed = std::ranges::count_if(sinks, [](const auto& s) { return !s.body.ends_with(done); });
  std::int64_t retries = 0;
  for (const auto& one : bench.backends->retries(bench.snapshot->catalog)) retries += one.retries;
  WARN(total << " requests, " << upstream.attempts << " attempts, " << retries << " retries, " << failed << " failures seen, at most "
             << upstream.in_flight_max << " in flight");
  // 0.2 %, and three standard deviations of a count so small.
  const double allowed = 0.002 * static_cast<double>(total);
  CHECK(static_cast<double>(failed) <= allowed + 3 * std::sqrt(allowed));
  CHECK(5 * (upstream.attempts - static_cast<std::int64_t>(total)) <= static_cast<std::int64_t>(total));
  CHECK(bench.figures().attempts_open == 0);
  CHECK(bench.figures().reserved.nano() == 0);
  // What was estimated (a stream cut before its usage) comes on top of the provider's bill, and nothing is missing.
  CHECK(bench.figures().settled.nano() >= upstream.billed_nano);
}
