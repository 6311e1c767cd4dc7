// State that a conversation has at a provider: what binds it there, and what leaving costs.
#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/world.hpp"

using namespace turnpike;
using namespace turnpike::policy;
using test::World;

namespace {

/// keeper speaks Responses besides Chat, but its model "chat-only" does not; other speaks both.
World stateful_world() {
  const auto providers = [](const std::string& id) {
    return test::provider_text(id, "openai-chat") +
           "[[provider.endpoint]]\ndialect = \"openai-responses\"\nbase_url = \"https://" + id +
           ".example\"\n";
  };
  const test::Folder folder;
  folder.write("keeper.toml",
               providers("keeper") + test::model_text("small", 1, test::all_can) +
                   test::model_text("large", 9, test::all_can) +
                   test::model_text("chat-only", 1,
                                    std::string{test::all_can} + "endpoints = \"openai-chat\"\n"));
  folder.write("other.toml", providers("other") + test::model_text("one", 1, test::all_can));
  World world;
  world.catalog = catalog::Catalog::load(folder.path()).value();
  world.policy = test::load_policy(R"([policy]
name = "state"
client_pins = "allowed"
[frontier_share]
target = 0.3
[[tier]]
name = "bulk"
targets = ["other/one", "keeper/chat-only", "keeper/small"]
[[tier]]
name = "frontier"
frontier = true
targets = ["keeper/large"]
[models]
"auto" = "auto"
)",
                                   world.catalog);
  world.facts.dialect = Dialect::openai_responses;
  world.required_provider = "keeper";
  return world;
}

std::vector<std::string> details(const World& world, Reason reason) {
  std::vector<std::string> found;
  for (const auto& why : world.decide()->why) {
    if (why.reason == reason) found.push_back(why.detail);
  }
  return found;
}

}  // namespace

TEST_CASE("a request that continues a stored response goes to the provider that keeps it",
          "[policy][state]") {
  auto world = stateful_world();
  CHECK(world.route() == "bulk: keeper/small");
  CHECK(details(world, Reason::pinned_by_state) ==
        std::vector<std::string>{"other/one: the response is kept by keeper",
                                 "keeper/chat-only: the response is kept by keeper"});
  CHECK(world.decide()->candidates.front().dialect == Dialect::openai_responses);
  world.required_provider.reset();
  CHECK(world.route() == "bulk: other/one keeper/chat-only keeper/small");
  CHECK(details(world, Reason::pinned_by_state).empty());
}

TEST_CASE("where the tier has no model of the keeper, another tier's answers", "[policy][state]") {
  auto world = stateful_world();
  world.policy.tiers[0].targets.resize(1);
  CHECK(world.route() == "frontier: keeper/large");
  world.account.models_allowed = {"other/*"};  // the keeper's own fault is what the client hears
  CHECK(world.route() == "error model_not_allowed");
}

TEST_CASE("a stored response that no target keeps is refused by the parameter's name",
          "[policy][state]") {
  auto world = stateful_world();
  const auto refused = [](const World& asked) {
    const auto decision = asked.decide();
    REQUIRE_FALSE(decision);
    CHECK(decision.error().http_status == 400);
    CHECK(decision.error().code == "unsupported_parameter");
    CHECK(decision.error().param == "previous_response_id");
    CHECK(decision.error().origin == Origin::client);
  };
  world.required_provider = "gone";
  refused(world);
  world.required_provider = "keeper";
  world.facts.model = "other/one";  // a pin elsewhere cannot be kept either
  refused(world);
  world.facts.model = "keeper/small";
  CHECK(world.route() == "bulk: keeper/small");
}

TEST_CASE("leaving a model at a human turn tells what is lost", "[policy][state][switch]") {
  World world;
  world.stay = Stay{
      .target = "cheap/flash", .tier = "bulk", .cached_tokens = 120'000, .thinking_kept = true};
  world.difficulty.score = 0.9F;
  CHECK(world.detail(Reason::switched_at_human_turn) ==
        "from cheap/flash; loses 120000 cached tokens, thinking");
  CHECK(world.decide()->switch_cost == SwitchCost{120'000, true});
  world.stay->thinking_kept = false;
  CHECK(world.detail(Reason::switched_at_human_turn) ==
        "from cheap/flash; loses 120000 cached tokens");
  world.stay->cached_tokens = 0;
  CHECK(world.detail(Reason::switched_at_human_turn) == "from cheap/flash");
  CHECK(world.decide()->switch_cost == SwitchCost{});
}

TEST_CASE("an escalated loop tells what is lost, once", "[policy][state][escalation]") {
  World world;
  world.facts.in_tool_loop = true;
  world.facts.step = StepKind::tool_continuation;
  world.facts.trace.error_streak = 3;
  world.stay =
      Stay{.target = "cheap/flash", .tier = "bulk", .cached_tokens = 5000, .thinking_kept = true};
  CHECK(world.detail(Reason::escalated) == "error_streak 3; loses 5000 cached tokens, thinking");
  world.stay = Stay{.target = "big/opus",
                    .tier = "frontier",
                    .escalated = true,
                    .cached_tokens = 5000,
                    .thinking_kept = true};
  CHECK(world.detail(Reason::escalated) == "until the loop ends");
  CHECK(world.decide()->switch_cost == SwitchCost{});
}

TEST_CASE("a loop that stays loses nothing; one whose model is ejected does, without a switch",
          "[policy][state]") {
  World world;
  world.facts.in_tool_loop = true;
  world.stay =
      Stay{.target = "big/pro", .tier = "frontier", .cached_tokens = 7, .thinking_kept = true};
  CHECK(world.decide()->switch_cost == SwitchCost{});
  world.health = HealthView{{{"big/pro", Health::ejected}}};
  CHECK(world.decide()->candidates.front().target() == "big/opus");
  CHECK(world.decide()->switch_cost == SwitchCost{7, true});
}

TEST_CASE("thoughts that the new model's family reads are not lost", "[policy][state][switch]") {
  const test::Folder folder;
  folder.write("p.toml",
               test::provider_text("p", "anthropic-messages") +
                   test::model_text("small", 1, std::string{test::all_can} + "family = \"f\"\n") +
                   test::model_text("large", 9, std::string{test::all_can} + "family = \"f\"\n"));
  World world;
  world.catalog = catalog::Catalog::load(folder.path()).value();
  world.policy = test::load_policy(
      "[policy]\nname = \"f\"\n[frontier_share]\ntarget = 0.3\n[[tier]]\nname = \"bulk\"\ntargets "
      "= [\"p/small\"]\n[[tier]]\nname "
      "= \"frontier\"\nfrontier = true\ntargets = [\"p/large\"]\n[models]\n\"auto\" = \"auto\"\n",
      world.catalog);
  world.difficulty.score = 1;
  world.stay = Stay{.target = "p/small", .tier = "bulk", .cached_tokens = 9, .thinking_kept = true};
  CHECK(world.decide()->switch_cost == SwitchCost{9, false});
}

TEST_CASE("thinking again is part of the price of a move down", "[policy][state][switch]") {
  World world;
  world.policy.switching.saving_min = 0.85F;
  world.facts.text_bytes = 4000;
  world.stay = Stay{.target = "big/pro", .tier = "frontier", .cached_tokens = 1000};
  CHECK(world.decide()->tier == "bulk");  // ten times cheaper: saves 90 %
  world.stay->thinking_kept = true;
  world.policy.switching.rethink_tokens = 2000;  // 16 of the 272 milli-credits that four steps of staying cost
  CHECK(world.decide()->tier == "frontier");
  CHECK(world.detail(Reason::stayed_for_cache)
            .starts_with("big/pro holds the cache; a switch would save 8"));
  world.policy.switching.rethink_tokens = 0;
  CHECK(world.decide()->tier == "bulk");
}
