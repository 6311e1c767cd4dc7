// Nothing but the client's own model name says who makes a permission check: random policies, accounts and situations.

#include <catch2/catch.hpp>
#include <random>

#include "world.hpp"

using namespace turnpike;
using namespace turnpike::test;

namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t end) { return random() % end; }
bool coin(Random& random) { return below(random, 2) == 0; }
template <class List>
const auto& any_of(Random& random, const List& list) {
  return list[below(random, std::size(list))];
}

const std::vector<std::string> targets{"cheap/flash", "tiny/haiku", "big/opus", "big/pro"};
const std::vector<std::string> routes{"auto", "tier:bulk", "tier:middle", "tier:frontier", "cheap/flash", "tiny/haiku", "big/pro", "asked"};

/// A policy that does what it can to move things about.
std::string random_policy(Random& random) {
  const auto flag = [&] { return std::string{coin(random) ? "true" : "false"}; };
  const auto order = [&] {
    const std::vector<std::string> orders{"listed", "cheapest", "weighted"};
    return "order = \"" + any_of(random, orders) + "\"\n";
  };
  std::string text = "[policy]\nname = \"random\"\n";
  text += std::string{"client_pins = \""} + (coin(random) ? "allowed" : "refused") + "\"\n";
  text += std::string{"known_models = \""} + (coin(random) ? "auto" : "pin") + "\"\n";
  text += std::string{"unknown_models = \""} + (coin(random) ? "auto" : "refuse") + "\"\n";
  text += "[frontier_share]\ntarget = 0." + std::to_string(below(random, 10)) + "\n";
  text += "[[tier]]\nname = \"bulk\"\ntargets = [\"cheap/flash\"]\nfallback = [\"tiny/haiku\"]\n" + order();
  if (coin(random)) text += "escalate_to = \"frontier\"\n";
  text += "[[tier]]\nname = \"middle\"\ntargets = [\"tiny/haiku\", \"cheap/flash\"]\nfallback = [\"tier:bulk\"]\n" + order();
  text += "[[tier]]\nname = \"frontier\"\nfrontier = true\ntargets = [\"big/opus\", \"big/pro\"]\nfallback = [\"tier:bulk\"]\n" + order();
  for (std::size_t i = below(random, 4); i > 0; --i) {
    text += "[[rule]]\nname = \"r" + std::to_string(i) + "\"\n";
    if (coin(random)) text += "step = \"permission_check\"\n";
    if (coin(random)) text += "model = \"*\"\n";
    text += "route = \"" + any_of(random, routes) + "\"\n";
  }
  text += "[escalation]\nerror_streak = 1\nerrors_recent = 1\nrepeats_recent = 1\n";
  text += "[budget]\nprefer_cheap_raise = 0.9\ncheap_only_pins = " + flag() + "\n";
  text += "[conversation]\nstay_in_tool_loop = " + flag() + "\n";
  text += "[models]\n\"auto\" = \"auto\"\n\"alias\" = \"" + any_of(random, routes) + "\"\n\"*\" = \"" + any_of(random, routes) + "\"\n";
  for (const auto& target : targets) {
    if (coin(random)) text += "\"" + target + "\" = \"" + any_of(random, routes) + "\"\n";
    const auto bare = target.substr(target.find('/') + 1);
    if (coin(random)) text += "\"" + bare + "\" = \"" + any_of(random, routes) + "\"\n";
  }
  return text;
}

void shake(Random& random, World& world) {
  constexpr Pressure pressures[]{Pressure::none, Pressure::notify, Pressure::prefer_cheap, Pressure::cheap_only};
  world.allowance.pressure = any_of(random, pressures);
  world.allowance.pressure_scope = "team:search";
  world.difficulty.score = static_cast<float>(below(random, 101)) / 100;
  world.difficulty.abstained = coin(random);
  world.threshold = static_cast<float>(below(random, 201)) / 100;
  world.escalation_allowed = coin(random);
  world.facts.in_tool_loop = coin(random);
  world.facts.trace.error_streak = static_cast<std::int32_t>(below(random, 6));
  world.facts.trace.errors_recent = static_cast<std::int32_t>(below(random, 6));
  world.facts.trace.repeats_recent = static_cast<std::int32_t>(below(random, 6));
  world.facts.text_bytes = static_cast<std::int64_t>(below(random, 100'000));
  world.facts.conversation = std::to_string(below(random, 1000));
  world.account.team = coin(random) ? "interns" : "search";
  world.stay.reset();
  if (coin(random)) {
    Stay stay;
    stay.target = any_of(random, targets);
    const std::vector<std::string> tiers{"bulk", "middle", "frontier", "gone"};
    stay.tier = any_of(random, tiers);
    stay.escalated = coin(random);
    stay.unusable_answer = coin(random);
    stay.cached_tokens = static_cast<std::int64_t>(below(random, 200'000));
    stay.thinking_kept = coin(random);
    world.stay = stay;
  }
}

}  // namespace

TEST_CASE("no policy, share, budget, loop or rule moves a permission check", "[policy][protected]") {
  const std::uint64_t seed = (std::uint64_t{std::random_device{}()} << 32U) | std::random_device{}();
  CAPTURE(seed);
  Random random{seed};
  for (int round = 0; round < 300; ++round) {
    World world;
    const auto text = random_policy(random);
    CAPTURE(round, text);
    world.policy = load_policy(text, world.catalog);
    world.facts.step = StepKind::permission_check;
    for (int situation = 0; situation < 20; ++situation) {
      shake(random, world);
      const auto& asked = any_of(random, targets);
      world.facts.model = coin(random) ? asked : asked.substr(asked.find('/') + 1);
      CAPTURE(situation, world.facts.model);
      const auto decision = world.decide();
      REQUIRE(decision);
      REQUIRE(decision->candidates.size() == 1);
      REQUIRE(decision->candidates.front().target() == asked);
      REQUIRE(decision->why.front().reason == Reason::protected_step);
      REQUIRE(decision->why.size() == 1);
    }
  }
}

TEST_CASE("a permission check under a name of ours is made by the strong tier's own models only", "[policy][protected]") {
  const std::uint64_t seed = (std::uint64_t{std::random_device{}()} << 32U) | std::random_device{}();
  CAPTURE(seed);
  Random random{seed};
  for (int round = 0; round < 200; ++round) {
    World world;
    const auto text = random_policy(random);
    CAPTURE(round, text);
    world.policy = load_policy(text, world.catalog);
    world.facts.step = StepKind::permission_check;
    for (int situation = 0; situation < 20; ++situation) {
      shake(random, world);
      const std::vector<std::string> names{"auto", "alias", "claude-of-tomorrow", ""};
      world.facts.model = any_of(random, names);
      CAPTURE(situation, world.facts.model);
      REQUIRE(world.route() == "frontier: big/opus big/pro");
      REQUIRE(world.reasons() == std::vector<std::string>{"protected_step"});
    }
  }
}

TEST_CASE("an override without permission is refused, it does not move the check", "[policy][protected]") {
  World world;
  world.facts.step = StepKind::permission_check;
  world.facts.model = "big/opus";
  world.override_target = "cheap/flash";
  CHECK(world.route() == "error route_override_not_allowed");
  world.override_target.reset();
  world.override_tier = "bulk";
  CHECK(world.route() == "error route_override_not_allowed");
  world.account.may_override_route = true;
  CHECK(world.route() == "bulk: cheap/flash");  // the operator gave this key the right to say so
}

TEST_CASE("a key's own list still holds for a permission check", "[policy][protected]") {
  World world;
  world.facts.step = StepKind::permission_check;
  world.facts.model = "big/opus";
  world.account.models_allowed = {"cheap/*"};
  CHECK(world.route() == "error model_not_allowed");  // refused; never moved to what is allowed
  world.facts.model = "auto";
  CHECK(world.route() == "error model_not_allowed");
}
