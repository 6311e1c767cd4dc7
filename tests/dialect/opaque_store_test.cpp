#include "dialect/opaque_store.hpp"

#include <catch2/catch.hpp>
#include <thread>

namespace turnpike::dialect {
namespace {

class HandClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return Instant{}; }
  [[nodiscard]] Monotonic monotonic() const override { return Monotonic{offset}; }
  std::chrono::nanoseconds offset{0};
};

OpaqueState state_of(std::string text) {
  OpaqueState state;
  state.vendor = "deepseek";
  state.blocks.push_back({OpaqueBlock::Form::reasoning, std::move(text), {}});
  return state;
}

TEST_CASE("State is found under its key by its owner only") {
  HandClock clock;
  OpaqueStore store{clock};
  store.put("key-1", "call_1", state_of("because"));
  CHECK(store.find("key-1", "call_1") == state_of("because"));
  CHECK_FALSE(store.find("key-2", "call_1"));
  CHECK_FALSE(store.find("key-1", "call_2"));
  CHECK_FALSE(store.find("key-", "1call_1"));
  store.put("key-1", "call_1", state_of("better"));
  CHECK(store.find("key-1", "call_1") == state_of("better"));
  CHECK(store.figures().entries == 1);
}

TEST_CASE("State expires when it has not been used for its lifetime") {
  HandClock clock;
  OpaqueStore store{clock, 1 << 20, std::chrono::seconds{10}};
  store.put("k", "a", state_of("x"));
  clock.offset = std::chrono::seconds{9};
  CHECK(store.find("k", "a"));
  clock.offset = std::chrono::seconds{18};
  CHECK(store.find("k", "a"));
  clock.offset = std::chrono::seconds{28};
  CHECK_FALSE(store.find("k", "a"));
  CHECK(store.figures().entries == 0);
  CHECK(store.figures().bytes == 0);
  CHECK(store.figures().evictions == 0);
}

TEST_CASE("The store stays within its bytes and drops what was used longest ago") {
  HandClock clock;
  OpaqueStore store{clock, 10'000};
  for (int i = 0; i < 5; ++i) store.put("k", std::to_string(i), state_of(std::string(1000, 'x')));
  CHECK(store.find("k", "0"));
  for (int i = 5; i < 11; ++i) {
    store.put("k", std::to_string(i), state_of(std::string(1000, 'x')));
    CHECK(store.figures().bytes <= 10'000);
  }
  CHECK(store.find("k", "0"));
  CHECK_FALSE(store.find("k", "1"));
  CHECK(store.find("k", "10"));
  CHECK(store.figures().evictions > 0);
  store.put("k", "large", state_of(std::string(20'000, 'x')));
  CHECK_FALSE(store.find("k", "large"));
  CHECK(store.find("k", "10"));
}

TEST_CASE("Threads share the store") {
  HandClock clock;
  OpaqueStore store{clock, 50'000};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&store, t] {
      for (int i = 0; i < 500; ++i) {
        store.put("k" + std::to_string(t), std::to_string(i % 40),
                  state_of(std::string(static_cast<std::size_t>(i), 'x')));
        static_cast<void>(store.find("k" + std::to_string(t), std::to_string(i % 13)));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(store.figures().bytes <= 50'000);
  CHECK(store.figures().entries > 0);
}

TEST_CASE("Turns without calls are known by their visible text") {
  CHECK(turn_key("Hello").starts_with("text:"));
  CHECK(turn_key("Hello").size() == 37);
  CHECK(turn_key("Hello") == turn_key("Hello"));
  CHECK(turn_key("Hello") != turn_key("Hello!"));
}

}  // namespace
}  // namespace turnpike::dialect
