// The order within a tier: price with this conversation's cache, speed, both, and rate limits.
#include <catch2/catch.hpp>

#include "policy/world.hpp"

using namespace turnpike;
using namespace turnpike::policy;

namespace {

/// One tier of three equally able targets; per million tokens small costs 2 in and 8 out, haiku 3 and 12, pro 20 and 80.
struct Tier3 : test::World {
  explicit Tier3(TierOrder order) {
    policy = test::load_policy(
        "[policy]\nname = \"o\"\n[[tier]]\nname = \"t\"\ntargets = [\"big/pro\", \"tiny/haiku\", \"cheap/flash\"]\n[models]\n\"auto\" = \"auto\"\n", catalog);
    policy.tiers[0].order = order;
  }
  void pace(const std::string& target, float first, float token, float headroom = 1) {
    paces.push_back({.target = target, .first_token_ms = first, .token_ms = token, .headroom = headroom});
    std::sort(paces.begin(), paces.end(), [](const auto& a, const auto& b) { return a.target < b.target; });
  }
};

}  // namespace

TEST_CASE("the cheapest comes first by what this step would cost it", "[policy][order]") {
  Tier3 world{TierOrder::cheapest};
  CHECK(world.route() == "t: cheap/flash tiny/haiku big/pro");
  // 1001 tokens of prompt and 600 of output.
  CHECK(world.detail(Reason::cheapest_first) == "cheap/flash: about 0.006802 credits");
  world.paces = {{.target = "cheap/flash", .tokens_per_byte = 1.0F}};  // four times the tokens: 4001 x 2 + 4800 > 1001 x 3 + 7200
  CHECK(world.route() == "t: tiny/haiku cheap/flash big/pro");
  world.output_tokens = 20'000;  // a long answer outweighs the prompt
  CHECK(world.route() == "t: cheap/flash tiny/haiku big/pro");
  world.facts.output_tokens_max = 10;  // unless the client allows none
  CHECK(world.route() == "t: tiny/haiku cheap/flash big/pro");
}

TEST_CASE("the fastest comes first by the time to its last token; who was not measured is given a chance", "[policy][order]") {
  Tier3 world{TierOrder::fastest};
  CHECK(world.route() == "t: big/pro tiny/haiku cheap/flash");  // nothing is known: as listed
  world.pace("tiny/haiku", 2000, 5);                             // 5000 ms
  world.pace("cheap/flash", 500, 10);                            // 6500 ms
  CHECK(world.route() == "t: big/pro tiny/haiku cheap/flash");
  world.pace("big/pro", 3000, 20);
  CHECK(world.route() == "t: tiny/haiku cheap/flash big/pro");
  CHECK(world.detail(Reason::fastest_first) == "tiny/haiku: about 5000 ms");
  world.output_tokens = 10;
  CHECK(world.route() == "t: cheap/flash tiny/haiku big/pro");
}

TEST_CASE("balanced takes the least product of price and time", "[policy][order]") {
  Tier3 world{TierOrder::balanced};
  CHECK(world.route() == "t: cheap/flash tiny/haiku big/pro");
  world.pace("big/pro", 100, 0);
  world.pace("cheap/flash", 2000, 0);
  world.pace("tiny/haiku", 1000, 0);
  // Per thousand: pro 68.0 x 100, flash 6.8 x 2000, haiku 10.2 x 1000.
  CHECK(world.route() == "t: big/pro tiny/haiku cheap/flash");
}

TEST_CASE("a target near its rate limit goes behind the others", "[policy][order]") {
  Tier3 world{TierOrder::listed};
  world.pace("big/pro", 0, 0, 0.04F);
  CHECK(world.route() == "t: tiny/haiku cheap/flash big/pro");
  CHECK(world.detail(Reason::headroom_first) == "big/pro has 4 % of its rate limit left");
  world.policy.order_limits.headroom_min = 0.03F;
  CHECK(world.route() == "t: big/pro tiny/haiku cheap/flash");
  world.policy.order_limits.headroom_min = 0.05F;
  world.pace("cheap/flash", 0, 0, 0.01F);
  world.pace("tiny/haiku", 0, 0, 0.02F);
  CHECK(world.route() == "t: big/pro tiny/haiku cheap/flash");  // nobody has more: as listed
}

TEST_CASE("a running conversation stays in front near a limit, and goes behind where nothing is left", "[policy][order]") {
  Tier3 world{TierOrder::listed};
  world.stay = Stay{.target = "tiny/haiku", .tier = "t", .cached_tokens = 500};
  world.pace("tiny/haiku", 0, 0, 0.01F);
  CHECK(world.route() == "t: tiny/haiku big/pro cheap/flash");
  world.paces.front().headroom = 0;
  CHECK(world.route() == "t: big/pro cheap/flash tiny/haiku");
}

TEST_CASE("where a tier has an order of its own, a conversation whose cache is gone begins with its first", "[policy][order]") {
  Tier3 world{TierOrder::cheapest};
  world.stay = Stay{.target = "tiny/haiku", .tier = "t", .cached_tokens = 500};
  world.warm = {{"tiny/haiku", 500, 0.9F}};
  CHECK(world.decide()->candidates.front().target() == "tiny/haiku");
  world.warm = {{"tiny/haiku", 500, 0.0F}};
  CHECK(world.decide()->candidates.front().target() == "cheap/flash");
  world.stay->thinking_kept = true;
  CHECK(world.decide()->candidates.front().target() == "tiny/haiku");
  world.stay->thinking_kept = false;
  world.facts.in_tool_loop = true;
  CHECK(world.decide()->candidates.front().target() == "tiny/haiku");
}
