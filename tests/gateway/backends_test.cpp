#include "gateway/backends.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "support/fake_clock.hpp"

using namespace turnpike;
using namespace turnpike::gateway;
using namespace std::chrono_literals;
using turnpike::test::FakeClock;
using turnpike::test::SeededRandomness;

namespace {

catalog::Provider provider_with(std::initializer_list<const char*> keys) {
  catalog::Provider provider;
  provider.id = "p";
  for (const char* id : keys) {
    catalog::ProviderKey key;
    key.id = id;
    key.in_flight_max = 4;
    provider.keys.push_back(std::move(key));
  }
  return provider;
}

struct Rig {
  FakeClock clock;
  SeededRandomness randomness{11};
  Backends backends{clock, randomness};
  catalog::Provider provider = provider_with({"a", "b", "c"});

  auto take(std::string_view model = "m", std::string_view conversation = {}, std::uint64_t tried = 0, bool retry = false) {
    return backends.take({.provider = provider, .model = model, .conversation = conversation, .keys_tried = tried, .retry = retry});
  }
  /// The key that would be taken; "" if none.
  std::string key(std::string_view model = "m", std::string_view conversation = {}) {
    auto slot = take(model, conversation);
    return slot ? slot->key_id() : std::string{};
  }
  void tell(std::size_t key, Told told, std::string_view model = "m", std::chrono::seconds rest = {}, std::optional<Instant> reset = {}) {
    auto slot = take(model, {}, ~(std::uint64_t{1} << key));
    REQUIRE(slot);
    REQUIRE(slot->key() == key);
    slot->end(told, rest, reset);
  }
};

}  // namespace

TEST_CASE("a conversation keeps its key, another gateway finds the same one, and weights share them out", "[backends]") {
  Rig rig;
  Rig other;
  std::map<std::string, int> count;
  std::map<std::string, std::string> homes;
  rig.provider.keys[0].weight = other.provider.keys[0].weight = 2;
  for (int i = 0; i < 4000; ++i) {
    const std::string conversation = "conversation-" + std::to_string(i);
    const auto home = rig.key("m", conversation);
    CHECK(rig.key("m", conversation) == home);
    CHECK(other.key("m", conversation) == home);
    homes[conversation] = home;
    ++count[home];
  }
  CHECK(std::abs(count["a"] - 2000) < 150);
  CHECK(std::abs(count["b"] - 1000) < 150);
  rig.tell(1, Told::refused);
  for (const auto& [conversation, home] : homes) {
    if (home != "b") CHECK(rig.key("m", conversation) == home);  // only those of the lost key move
    if (home == "b") CHECK(rig.key("m", conversation) != "b");
  }
}

TEST_CASE("without a conversation the least busy key is taken, and none beyond its limit", "[backends]") {
  Rig rig;
  std::vector<BackendSlot> held;
  std::map<std::string, int> count;
  for (int i = 0; i < 12; ++i) {
    auto slot = rig.take();
    REQUIRE(slot);
    ++count[slot->key_id()];
    held.push_back(std::move(*slot));
  }
  CHECK(count == std::map<std::string, int>{{"a", 4}, {"b", 4}, {"c", 4}});
  const auto full = rig.take();
  REQUIRE_FALSE(full);
  CHECK(full.error().why == Unavailable::busy);
  held.pop_back();
  CHECK(rig.take());
}

TEST_CASE("a key that is close to its rate limit is spared", "[backends]") {
  Rig rig;
  const auto home = rig.key("m", "talk");
  auto slot = rig.take("m", "talk");
  REQUIRE(slot);
  const auto best = slot->learn({0.05F, rig.clock.now() + 60s});
  CHECK(best.left == 1.0F);  // of the others
  slot->end(Told::served);
  CHECK(rig.key("m", "talk") != home);
  rig.clock.advance(61s);
  CHECK(rig.key("m", "talk") == home);
}

TEST_CASE("U13: a key rests after a 429 for as long as it was told, and others serve meanwhile", "[backends][U13]") {
  Rig rig;
  rig.tell(0, Told::rate_limited, "m", 2s);
  for (int i = 0; i < 20; ++i) CHECK(rig.key("m", "talk " + std::to_string(i)) != "a");
  rig.tell(1, Told::rate_limited, "m", 5s);
  rig.tell(2, Told::rate_limited, "m", 100'000s);  // clamped to an hour
  const auto nobody = rig.take();
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().why == Unavailable::cooling);
  CHECK(nobody.error().until == rig.clock.monotonic() + 2s);
  rig.clock.advance(2s);
  CHECK(rig.key() == "a");
  rig.tell(0, Told::rate_limited, "m", 0s);
  CHECK(rig.key().empty());  // never asked again at once
  rig.clock.advance(3600s);
  CHECK(rig.take());
}

TEST_CASE("a 429 is no failure of the backend", "[backends]") {
  Rig rig;
  for (int i = 0; i < 50; ++i) {
    rig.tell(0, Told::rate_limited, "m", 1s);
    rig.clock.advance(1s);
  }
  rig.tell(0, Told::served);
}

TEST_CASE("U14: a key without credit is out of service until its reset date or the operator's word", "[backends][U14]") {
  Rig rig;
  rig.tell(0, Told::out_of_credit, "m", {}, rig.clock.now() + 24h);
  rig.tell(1, Told::out_of_credit);
  rig.tell(2, Told::refused);
  const auto nobody = rig.take();
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().why == Unavailable::out_of_credit);
  rig.clock.advance(24h);
  CHECK(rig.key() == "a");
  rig.clock.advance(24h * 365);
  CHECK(rig.key("m", "a talk that would be with any of the three") == "a");
  rig.backends.enable(rig.provider, 1);
  rig.backends.disable(rig.provider, 0);
  CHECK(rig.key() == "b");
}

TEST_CASE("a reset date that has passed gives an account over its spend limit a rest all the same", "[backends][U14]") {
  Rig rig;
  rig.provider = provider_with({"a"});
  for (const auto before : {1h, 24h}) {
    rig.tell(0, Told::out_of_credit, "m", {}, rig.clock.now() - before);
    CHECK(rig.key().empty());
    rig.clock.advance(5min - 1s);
    CHECK(rig.key().empty());
    rig.clock.advance(1s);
    CHECK(rig.key() == "a");
  }
}

TEST_CASE("what an operator disabled stays so with another secret, what a provider refused does not", "[backends]") {
  Rig rig;
  rig.tell(0, Told::refused);
  rig.backends.disable(rig.provider, 1);
  rig.backends.disable(rig.provider, 2);
  for (auto& key : rig.provider.keys) key.fingerprint = "22222222";  // a reload
  CHECK(rig.key() == "a");
  CHECK_FALSE(rig.take("m", {}, 0b001));
  rig.tell(0, Told::refused);
  rig.backends.disable(rig.provider, 0);  // the operator's word counts, though the provider's came first
  rig.provider.keys[0].fingerprint = "33333333";
  CHECK(rig.key().empty());
  rig.backends.enable(rig.provider, 2);
  CHECK(rig.key() == "c");
}

TEST_CASE("another secret under a key's name is another key; the same one keeps what is known of it", "[backends]") {
  Rig rig;
  rig.provider = provider_with({"a"});
  rig.provider.keys[0].fingerprint = "11111111";
  rig.tell(0, Told::refused);
  CHECK(rig.key().empty());
  rig.provider = provider_with({"z", "a"});  // a reload
  rig.provider.keys[1].fingerprint = "11111111";
  CHECK(rig.key() == "z");
  auto a = rig.take("m", {}, 1);
  REQUIRE_FALSE(a);
  CHECK(a.error().why == Unavailable::refused);
  rig.provider.keys[1].fingerprint = "22222222";
  CHECK(rig.take("m", {}, 1));
}

TEST_CASE("a 403 takes one model from one key, at once only if it has never served it, and for a while", "[backends]") {
  Rig rig;
  rig.provider = provider_with({"a"});
  rig.tell(0, Told::forbidden, "secret");
  CHECK(rig.key("secret").empty());
  CHECK(rig.key("m") == "a");
  rig.clock.advance(10min);
  CHECK(rig.key("secret") == "a");
  rig.tell(0, Told::served, "m");
  rig.tell(0, Told::forbidden, "m");  // perhaps the request's own fault
  rig.tell(0, Told::forbidden, "m");
  rig.tell(0, Told::forbidden, "m");
  CHECK(rig.key("m").empty());
}

TEST_CASE("a backend is one model with one key: the others go on", "[backends][health]") {
  Rig rig;
  for (int i = 0; i < 5; ++i) rig.tell(0, Told::failed, "m");
  const auto a = rig.take("m", {}, 0b110);
  REQUIRE_FALSE(a);
  CHECK(a.error().why == Unavailable::ejected);
  CHECK(rig.take("other", {}, 0b110));
  CHECK(rig.take("m"));
}

TEST_CASE("after its time an ejected backend is asked by one request, and only by one", "[backends][health]") {
  Rig rig;
  for (int i = 0; i < 5; ++i) rig.tell(0, Told::failed);
  rig.clock.advance(34s);
  auto probe = rig.take();  // before the keys that are well: it would never have its turn
  REQUIRE(probe);
  CHECK(probe->key_id() == "a");
  for (int i = 0; i < 20; ++i) CHECK(rig.key() != "a");
  SECTION("content is enough to readmit it") {
    probe->answering();
    CHECK(rig.take("m", {}, 0b110));
  }
  SECTION("a failure ejects it for longer") {
    probe->end(Told::failed);
    rig.clock.advance(50s);
    CHECK_FALSE(rig.take("m", {}, 0b110));
    rig.clock.advance(20s);
    CHECK(rig.take("m", {}, 0b110));
  }
  SECTION("an answer that is no fault of its own readmits it") {
    probe->end(Told::alive);
    CHECK(rig.take("m", {}, 0b110));
  }
  SECTION("a probe that was called off gives its turn to the next") {
    { const BackendSlot dropped = std::move(*probe); }
    const auto next = rig.take("m", {}, 0b110);
    REQUIRE(next);
    CHECK_FALSE(rig.take("m", {}, 0b110));
  }
}

TEST_CASE("if everything is ejected, the one that was ejected first is tried", "[backends][health]") {
  Rig rig;
  for (const std::size_t key : {2U, 0U, 1U}) {
    for (int i = 0; i < 5; ++i) rig.tell(key, Told::failed);
    rig.clock.advance(1s);
  }
  const BackendWanted wanted[] = {{.provider = rig.provider, .model = "m"}};
  REQUIRE_FALSE(rig.take());
  auto first = rig.backends.take_least_recently_ejected(wanted);
  REQUIRE(first);
  CHECK(first->second.key_id() == "c");
  auto second = rig.backends.take_least_recently_ejected(wanted);
  REQUIRE(second);
  CHECK(second->second.key_id() == "a");
  first->second.end(Told::failed);
  auto third = rig.backends.take_least_recently_ejected(wanted);
  REQUIRE(third);
  CHECK(third->second.key_id() == "b");
  CHECK_FALSE(rig.backends.take_least_recently_ejected(wanted));  // one has failed again, two are being asked
}

TEST_CASE("retries keep within the provider's budget, whatever the key", "[backends]") {
  Rig rig;
  std::vector<BackendSlot> held;
  for (int i = 0; i < 3; ++i) {
    auto slot = rig.take("m", {}, 0, true);
    REQUIRE(slot);
    held.push_back(std::move(*slot));
  }
  const auto fourth = rig.take("m", {}, 0, true);
  REQUIRE_FALSE(fourth);
  CHECK(fourth.error().why == Unavailable::retry_budget);
  CHECK(rig.take("m"));
  held.clear();
  CHECK(rig.take("m", {}, 0, true));
}
