// The bound on requests at once, from many threads.
#include "gateway/admission_gate.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <thread>
#include <vector>

using namespace turnpike;
using namespace turnpike::gateway;

namespace {

/// Keeps what it was told.
class Client final : public AdmissionGate::Waiter {
 public:
  explicit Client(std::string_view key) : Waiter({key, Priority::interactive, 1, 0}) {}
  void decided(AdmissionGate::Place given) override {
    const std::lock_guard lock{mutex};
    ++told;
    place = std::move(given);
    wake.notify_one();
  }
  /// False: it had to give way.
  bool wait() {
    std::unique_lock lock{mutex};
    wake.wait(lock, [this] { return told > 0; });
    return place.held();
  }

  std::mutex mutex;
  std::condition_variable wake;
  int told = 0;
  AdmissionGate::Place place;
};

using Joined = AdmissionGate::Joined;

}  // namespace

TEST_CASE("While there is room everybody enters; a place that is left goes to the next in line", "[gateway][overload]") {
  AdmissionGate gate{{.in_flight_max = 2}};
  auto one = gate.try_enter();
  auto two = gate.try_enter();
  REQUIRE((one.held() && two.held()));
  CHECK_FALSE(gate.try_enter().held());
  const auto waiting = std::make_shared<Client>("a");
  CHECK(gate.join(waiting).joined == Joined::waiting);
  CHECK(gate.waiting() == 1);
  one = {};
  CHECK(waiting->told == 1);
  CHECK(waiting->place.held());
  CHECK(gate.in_flight() == 2);
  CHECK(gate.waiting() == 0);
  two = {};
  waiting->place = {};
  CHECK(gate.in_flight() == 0);
}

TEST_CASE("Nobody passes those who wait", "[gateway][overload]") {
  AdmissionGate gate{{.in_flight_max = 1}};
  auto place = gate.try_enter();
  const auto waiting = std::make_shared<Client>("a");
  REQUIRE(gate.join(waiting).joined == Joined::waiting);
  CHECK_FALSE(gate.try_enter().held());
  CHECK(gate.withdraw(*waiting));
  CHECK_FALSE(gate.withdraw(*waiting));
  place = {};
  CHECK(waiting->told == 0);
  CHECK(gate.try_enter().held());
}

TEST_CASE("Who joins when a place has just become free enters at once", "[gateway][overload]") {
  AdmissionGate gate{{.in_flight_max = 1}};
  auto entry = gate.join(std::make_shared<Client>("a"));
  CHECK(entry.joined == Joined::entered);
  CHECK(entry.place.held());
}

TEST_CASE("Without a bound requests are only counted", "[gateway][overload]") {
  AdmissionGate gate{{}};
  std::vector<AdmissionGate::Place> places;
  for (int i = 0; i < 1000; ++i) places.push_back(gate.try_enter());
  CHECK(gate.in_flight() == 1000);
  CHECK(places.back().held());
}

TEST_CASE("What gives way is told so, without a place", "[gateway][overload]") {
  AdmissionGate gate{{.in_flight_max = 1, .queue = {.requests_max = 2}}};
  const auto place = gate.try_enter();
  std::vector<std::shared_ptr<Client>> flood;
  for (int i = 0; i < 2; ++i) REQUIRE(gate.join(flood.emplace_back(std::make_shared<Client>("F"))).joined == Joined::waiting);
  CHECK(gate.hopeless({"F"}));
  CHECK_FALSE(gate.hopeless({"a"}));
  CHECK(gate.join(std::make_shared<Client>("F")).joined == Joined::turned_away);
  CHECK(gate.join(std::make_shared<Client>("a")).joined == Joined::waiting);
  CHECK(flood[1]->told == 1);
  CHECK_FALSE(flood[1]->place.held());
  CHECK(gate.waiting() == 2);
}

TEST_CASE("A gate that has closed hands no place on", "[gateway][overload]") {
  AdmissionGate gate{{.in_flight_max = 1}};
  auto place = gate.try_enter();
  const auto waiting = std::make_shared<Client>("a");
  REQUIRE(gate.join(waiting).joined == Joined::waiting);
  gate.close();
  place = {};
  CHECK(waiting->told == 0);
  CHECK(gate.join(std::make_shared<Client>("b")).joined == Joined::turned_away);
  CHECK(gate.withdraw(*waiting));
  CHECK(gate.in_flight() == 0);
}

TEST_CASE("Many threads: never more than the bound at once, everybody is told exactly once, and in the end it is empty",
          "[gateway][overload]") {
  constexpr int bound = 3;
  constexpr int threads = 8;
  constexpr int rounds = 2000;
  AdmissionGate gate{{.in_flight_max = bound, .queue = {.requests_max = 4}}};
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::atomic<int> served{0};
  std::atomic<int> refused{0};
  const auto work = [&](AdmissionGate::Place place) {
    const int now = ++inside;
    int seen = most.load();
    while (now > seen && !most.compare_exchange_weak(seen, now)) {
    }
    std::this_thread::yield();
    --inside;
    ++served;
    place = {};
  };
  std::vector<std::thread> crowd;
  for (int t = 0; t < threads; ++t) {
    crowd.emplace_back([&, key = std::string(1, static_cast<char>('a' + t % 3)), t] {
      for (int i = 0; i < rounds; ++i) {
        auto place = gate.try_enter();
        if (place.held()) {
          work(std::move(place));
          continue;
        }
        const auto client = std::make_shared<Client>(key);
        auto entry = gate.join(client);
        if (entry.joined == Joined::entered) {
          work(std::move(entry.place));
        } else if (entry.joined == Joined::turned_away || ((i + t) % 7 == 0 && gate.withdraw(*client)) || !client->wait()) {
          ++refused;
        } else {
          work(std::move(client->place));
        }
      }
    });
  }
  for (auto& thread : crowd) thread.join();
  CHECK(most <= bound);
  CHECK(served + refused == threads * rounds);
  CHECK(served > 0);
  CHECK(gate.in_flight() == 0);
  CHECK(gate.waiting() == 0);
  CHECK(gate.waiting_bytes() == 0);
}
