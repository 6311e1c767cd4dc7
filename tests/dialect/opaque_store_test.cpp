#include "dialect/opaque_store.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <thread>

#include "dialect/opaque_bytes.hpp"

namespace turnpike::dialect {
namespace {

class HandClock final : public Clock {
 public:
  [[nodiscard]] Instant now() const override {
    return Instant{std::chrono::duration_cast<std::chrono::microseconds>(offset)};
  }
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
  OpaqueStore store{clock, 12'000};
  for (int i = 0; i < 5; ++i) store.put("k", std::to_string(i), state_of(std::string(1000, 'x')));
  CHECK(store.find("k", "0"));
  for (int i = 5; i < 11; ++i) {
    store.put("k", std::to_string(i), state_of(std::string(1000, 'x')));
    CHECK(store.figures().bytes <= 12'000);
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

/// What a journal that loses nothing would know.
class Notebook final : public OpaqueJournal {
 public:
  using Key = std::pair<std::string, std::string>;
  void on_put(std::string_view owner, std::string_view key, const OpaqueState& state,
              Instant expires) override {
    entries[Key{owner, key}] = {state, expires};
  }
  void on_use(std::string_view owner, std::string_view key, Instant expires) override {
    entries.at(Key{owner, key}).second = expires;
    ++uses;
  }
  void on_drop(std::string_view owner, std::string_view key) override {
    entries.erase(Key{owner, key});
  }
  std::map<Key, std::pair<OpaqueState, Instant>> entries;
  int uses = 0;
};

TEST_CASE("One owner who puts without end pushes out nobody else's state") {
  HandClock clock;
  OpaqueStore store{clock, 100'000};
  for (int owner = 0; owner < 5; ++owner) {
    for (int i = 0; i < 4; ++i) {
      store.put("modest-" + std::to_string(owner), std::to_string(i),
                state_of(std::string(1000, 'x')));
    }
  }
  for (int i = 0; i < 1000; ++i) {
    store.put("greedy", std::to_string(i), state_of(std::string(1000, 'x')));
    REQUIRE(store.figures().bytes <= 100'000);
  }
  for (int owner = 0; owner < 5; ++owner) {
    for (int i = 0; i < 4; ++i)
      CHECK(store.find("modest-" + std::to_string(owner), std::to_string(i)));
  }
  CHECK(store.find("greedy", "999"));
  CHECK_FALSE(store.find("greedy", "0"));
}

TEST_CASE("An owner who took the free room gives it back to those who come later") {
  HandClock clock;
  OpaqueStore store{clock, 100'000};
  for (int i = 0; i < 200; ++i)
    store.put("greedy", std::to_string(i), state_of(std::string(1000, 'x')));
  const auto full = store.figures().entries;
  for (int i = 0; i < 10; ++i)
    store.put("late", std::to_string(i), state_of(std::string(1000, 'x')));
  for (int i = 0; i < 10; ++i) CHECK(store.find("late", std::to_string(i)));
  CHECK(store.figures().entries <= full);
  CHECK(store.find("greedy", "199"));
}

TEST_CASE("A state larger than a share is kept only where nobody has to make room") {
  HandClock clock;
  OpaqueStore store{clock, 10'000};
  store.put("big", "a", state_of(std::string(8'000, 'x')));
  CHECK(store.find("big", "a"));
  store.put("small", "b", state_of(std::string(2'000, 'x')));
  CHECK(store.find("small", "b"));
  CHECK_FALSE(store.find("big", "a"));
  store.put("big", "a", state_of(std::string(8'000, 'x')));
  CHECK_FALSE(store.find("big", "a"));
  CHECK(store.find("small", "b"));
}

TEST_CASE("The journal knows what the store holds, whatever happens to it") {
  HandClock clock;
  Notebook notebook;
  OpaqueStore store{clock, 60'000, std::chrono::hours{24}};
  store.journal_to(notebook);
  std::mt19937 random{20261122};
  const auto one_of = [&random](int count) {
    return static_cast<int>(random() % static_cast<unsigned>(count));
  };
  for (int step = 0; step < 4000; ++step) {
    const auto owner = "k" + std::to_string(one_of(7));
    const auto key = std::to_string(one_of(40));
    if (one_of(3) == 0) {
      static_cast<void>(store.find(owner, key));
    } else {
      store.put(owner, key,
                state_of(std::string(
                    static_cast<std::size_t>(one_of(step % 50 == 0 ? 70'000 : 3000)), 'x')));
    }
    clock.offset += std::chrono::seconds{one_of(60)};
    REQUIRE(store.figures().bytes <= 60'000);
    REQUIRE(store.figures().entries == notebook.entries.size());
  }
  for (const auto& [name, kept] : notebook.entries)
    CHECK(store.find(name.first, name.second) == kept.first);
}

TEST_CASE("What a journal kept is there again, for the rest of its life only") {
  HandClock clock;
  Notebook notebook;
  {
    OpaqueStore store{clock, 1 << 20, std::chrono::hours{24}};
    store.journal_to(notebook);
    store.put("k", "old", state_of("old"));
    store.put("k", "used", state_of("used"));
    clock.offset += std::chrono::hours{20};
    store.put("k", "new", state_of("new"));
    CHECK(store.find("k", "used"));
    clock.offset += std::chrono::seconds{10};
    CHECK(store.find("k", "used"));
    CHECK(notebook.uses == 1);
  }
  clock.offset += std::chrono::hours{5};
  OpaqueStore store{clock, 1 << 20, std::chrono::hours{24}};
  for (const auto& [name, kept] : notebook.entries)
    CHECK(store.restore(name.first, name.second, kept.first, kept.second));
  CHECK_FALSE(store.find("k", "old"));
  CHECK(store.find("k", "new") == state_of("new"));
  clock.offset += std::chrono::hours{20};
  CHECK_FALSE(store.find("k", "used"));
  CHECK(store.find("k", "new"));
}

TEST_CASE(
    "Restoring stops when the store is full, and a clock that went back grants no longer life") {
  HandClock clock;
  OpaqueStore store{clock, 10'000, std::chrono::hours{1}};
  int taken = 0;
  while (store.restore("k", std::to_string(taken), state_of(std::string(1000, 'x')),
                       Instant{std::chrono::hours{100}})) {
    REQUIRE(++taken < 100);
  }
  CHECK(taken >= 4);
  CHECK(store.figures().bytes <= 10'000);
  clock.offset = std::chrono::hours{1};
  CHECK_FALSE(store.find("k", "0"));
}

TEST_CASE("State survives as bytes, and bytes that are none are refused") {
  OpaqueState state;
  state.vendor = "anthropic";
  state.family = "claude-5.5";
  state.kind = OpaqueKind::claude_thinking;
  state.blocks.push_back({OpaqueBlock::Form::thinking, "Größe", std::string("a\0b", 3), 2, true});
  state.blocks.push_back({OpaqueBlock::Form::redacted, {}, std::string(70'000, 'r'), -1, false});
  const auto bytes = pack(state);
  CHECK(unpack(bytes) == state);
  CHECK(unpack(pack(OpaqueState{})) == OpaqueState{});
  for (std::size_t length = 0; length < bytes.size(); length += length < 100 ? 1 : 997)
    CHECK_FALSE(unpack(std::string_view{bytes}.substr(0, length)));
  CHECK_FALSE(unpack(bytes + "x"));
  std::mt19937 random{7};
  for (int i = 0; i < 20'000; ++i) {
    auto broken = bytes.substr(0, 120);
    for (int change = 0; change < 3; ++change)
      broken[random() % broken.size()] = static_cast<char>(random());
    static_cast<void>(unpack(broken));
  }
}

TEST_CASE("Turns without calls are known by their visible text") {
  CHECK(turn_key("Hello").starts_with("text:"));
  CHECK(turn_key("Hello").size() == 37);
  CHECK(turn_key("Hello") == turn_key("Hello"));
  CHECK(turn_key("Hello") != turn_key("Hello!"));
}

}  // namespace
}  // namespace turnpike::dialect
