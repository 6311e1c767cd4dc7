#include "app/price_watch.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "account/account_fixture.hpp"
#include "app/dated_world.hpp"

using namespace turnpike;
using namespace turnpike::app;
using account::testing::Fixture;

namespace {

/// A ledger, the dated catalog and policy, and a watch over them that can be started anew.
struct Watched : Fixture {
  std::shared_ptr<gateway::Snapshot> snapshot = std::make_shared<gateway::Snapshot>();
  std::unique_ptr<PriceWatch> watch;

  Watched() {
    snapshot->catalog = test::dated_catalog();
    snapshot->policy = test::dated_policy(snapshot->catalog);
    restart();
  }
  void restart() {
    watch = std::make_unique<PriceWatch>(
        PriceWatch::Sources{*ledger, clock, [this] { return std::shared_ptr<const gateway::Snapshot>{snapshot}; }, directory.path() / "price_watch.state"});
  }
  /// A million prompt tokens of the free model.
  void use_free() {
    PriceQuote nothing;
    nothing.price_id = "acme/free@2026-01-01";
    auto asked = request();
    asked.provider = "acme";
    asked.model = "free";
    asked.quote = &nothing;
    auto reservation = ledger->reserve(asked);
    REQUIRE(reservation);
    (void)reservation->dispatch();
    reservation->settle_exact({.input_fresh = 1'000'000});
  }
  std::vector<std::string> look(const char* when) {
    clock.set(when);
    std::vector<std::string> told;
    for (const auto& notice : watch->look()) told.push_back(notice.target + " " + std::string{to_string(notice.stage)});
    std::ranges::sort(told);
    return told;
  }
};

using Told = std::vector<std::string>;
const Told week{"acme/flash 7d", "acme/free 7d", "acme/old 7d"};
const Told day{"acme/flash 1d", "acme/free 1d", "acme/old 1d"};
const Told changed{"acme/flash changed", "acme/free changed", "acme/old changed"};

}  // namespace

TEST_CASE("each change is told a week ahead, a day ahead and when it comes, once each", "[prices]") {
  Watched w;
  CHECK(w.look("2026-11-23T23:59:59Z").empty());
  CHECK(w.look("2026-11-24T00:00:00Z") == week);
  CHECK(w.look("2026-11-24T00:01:00Z").empty());
  CHECK(w.look("2026-11-29T23:59:59Z").empty());
  CHECK(w.look("2026-11-30T00:00:00Z") == day);
  CHECK(w.look("2026-11-30T23:59:59Z").empty());
  CHECK(w.look("2026-12-01T00:00:00Z") == changed);
  CHECK(w.look("2026-12-01T00:01:00Z").empty());
}

TEST_CASE("a restart repeats nothing, and one that slept tells the nearest stage only", "[prices]") {
  Watched w;
  CHECK(w.look("2026-11-25T00:00:00Z") == week);
  w.restart();
  CHECK(w.look("2026-11-25T00:01:00Z").empty());
  w.restart();
  CHECK(w.look("2026-12-02T00:00:00Z") == changed);
  w.restart();
  CHECK(w.look("2026-12-02T00:01:00Z").empty());

  Watched late;
  CHECK(late.look("2026-11-30T12:00:00Z") == day);
  CHECK(late.look("2026-11-30T12:01:00Z").empty());
  Watched too_late;
  CHECK(too_late.look("2026-12-01T12:00:00Z").empty());  // nobody was told to expect it
}

TEST_CASE("a damaged state file costs a repeated notice, not the watch", "[prices]") {
  Watched w;
  std::ofstream{w.directory.path() / "price_watch.state"} << "acme/flash 2026-12-01T00:00:00Z 7d\nnonsense\nacme/free 2026-13-01 7d\n";
  w.restart();
  CHECK(w.look("2026-11-25T00:00:00Z") == Told{"acme/free 7d", "acme/old 7d"});
}

TEST_CASE("a notice shows last week's bill at the later price and the order of the tiers", "[prices]") {
  Watched w;
  w.clock.set("2026-11-23T12:00:00Z");
  w.use_free();
  w.clock.set("2026-11-25T00:00:00Z");
  const auto notices = w.watch->look();
  const auto free = std::ranges::find(notices, "acme/free", &PriceNotice::target);
  REQUIRE(free != notices.end());
  CHECK(free->change.kind == ChangeKind::free);
  CHECK(free->bill.attempts == 1);
  CHECK(free->bill.settled == Credits{});
  CHECK(free->bill.then == parse_credits("5").value());
  REQUIRE(free->order.size() == 2);
  CHECK(free->order[0].tier == "bulk");
  CHECK(free->order[0].before == std::vector<std::string>{"acme/free", "acme/flash", "acme/old"});
  CHECK(free->order[0].after == std::vector<std::string>{"acme/flash", "acme/free"});
}

TEST_CASE("a tick looks once a minute", "[prices]") {
  Watched w;
  w.clock.set("2026-11-25T00:00:00Z");
  const auto told = [&] { return std::filesystem::exists(w.directory.path() / "price_watch.state"); };
  w.watch->on_tick(Monotonic{std::chrono::seconds{100}});
  CHECK(told());
  std::filesystem::remove(w.directory.path() / "price_watch.state");
  w.clock.set("2026-11-30T00:00:00Z");
  w.watch->on_tick(Monotonic{std::chrono::seconds{159}});
  CHECK_FALSE(told());
  w.watch->on_tick(Monotonic{std::chrono::seconds{160}});
  CHECK(told());
}
