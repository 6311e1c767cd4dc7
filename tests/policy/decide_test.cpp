#include "policy/decide.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/world.hpp"

using namespace turnpike;
using namespace turnpike::policy;
using test::at;
using test::World;

namespace {

using Words = std::vector<std::string>;

bool contains(const Words& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// A situation in the middle of a tool loop that began on `target`.
World in_loop(const std::string& target, const std::string& tier) {
  World world;
  world.facts.in_tool_loop = true;
  world.facts.step = StepKind::tool_continuation;
  world.stay = Stay{target, tier, false, false, 0};
  return world;
}

}  // namespace

TEST_CASE("the threshold divides easy from hard", "[policy][decide]") {
  World world;
  CHECK(world.route() == "bulk: cheap/flash tiny/haiku");
  CHECK(world.reasons() == Words{"auto_routed", "below_threshold", "fallback"});
  CHECK(world.detail(Reason::below_threshold) == "score 0.200, threshold 0.700");
  CHECK_FALSE(world.decide()->frontier);
  world.difficulty.score = 0.7F;
  CHECK(world.route() == "frontier: big/opus big/pro cheap/flash tiny/haiku");
  CHECK(world.reasons() == Words{"auto_routed", "above_threshold", "fallback"});
  CHECK(world.decide()->frontier);
  CHECK(world.decide()->threshold == 0.7F);
  CHECK(world.decide()->policy == "test");
}

TEST_CASE("candidates say which tier each belongs to and carry a pinned price",
          "[policy][decide]") {
  World world;
  world.difficulty.score = 1;
  const auto decision = world.decide().value();
  CHECK(decision.candidates[0].tier == "frontier");
  CHECK(decision.candidates[2].tier == "bulk");
  CHECK(decision.candidates[3].tier == "bulk");
  CHECK(decision.candidates[0].quote.price_id == "big/opus@2026-01-01");
  CHECK(decision.candidates[0].dialect == Dialect::anthropic_messages);
}

TEST_CASE("an asked name means what the policy says", "[policy][decide][names]") {
  struct Case {
    const char* asked;
    const char* route;
    const char* reason;
  };
  // Each name, where it leads for an easy step, and the first reason.
  for (const auto& [asked, route, reason] : {
           Case{"auto", "bulk: cheap/flash tiny/haiku", "auto_routed"},
           Case{"claude-opus-9", "bulk: cheap/flash tiny/haiku", "auto_routed"},
           Case{"claude-3-haiku-x", "bulk: cheap/flash tiny/haiku", "model_mapped"},
           Case{"claude-strong", "frontier: big/opus big/pro cheap/flash tiny/haiku",
                "model_mapped"},
           Case{"mypin", "frontier: big/pro", "model_pinned"},
           Case{"big/opus", "frontier: big/opus", "model_pinned"},
           Case{"cheap/small", "pin: cheap/small", "model_pinned"},
           Case{"opus", "bulk: cheap/flash tiny/haiku", "auto_routed"},  // a bare catalog name
           Case{"real-none", "error model_not_found", "error model_not_found"},
           Case{"gpt-99", "error model_not_found", "error model_not_found"},
           Case{"cheap/gone", "error model_retired", "error model_retired"},
           Case{"", "error model_not_found", "error model_not_found"},
       }) {
    CAPTURE(asked);
    World world;
    world.facts.model = asked;
    CHECK(world.route() == route);
    CHECK(world.reasons().front() == reason);
  }
}

TEST_CASE("errors about names help the client", "[policy][decide][names]") {
  World world;
  world.facts.model = "cheap/flsh";
  auto error = world.decide().error();
  CHECK(error.http_status == 404);
  CHECK(error.origin == Origin::client);
  CHECK(error.param == "model");
  CHECK(error.message.find("nearest: \"cheap/flash\"") != std::string::npos);
  world.facts.model = "cheap/gone";
  error = world.decide().error();
  CHECK(error.http_status == 410);
  CHECK(error.message.find("use cheap/flash") != std::string::npos);
  world.facts.model = "x\n\"y";
  CHECK(world.decide().error().message.find('\n') == std::string::npos);
}

TEST_CASE("a policy may refuse pins, take real names at their word, or route unknown ones",
          "[policy][decide][names]") {
  World world;
  world.policy.client_pins_allowed = false;
  world.facts.model = "big/opus";
  CHECK(world.route() == "error model_not_allowed");
  CHECK(world.decide().error().http_status == 403);
  world.policy.known_models_pinned = true;
  world.facts.model = "opus";
  CHECK(world.route() == "frontier: big/opus");
  world.policy.unknown_models_auto = true;
  world.facts.model = "gpt-99";
  CHECK(world.reasons().front() == "auto_routed");
}

TEST_CASE("rules decide by step, key and team, but not over a pin", "[policy][decide][rules]") {
  World world;
  world.difficulty.score = 1;
  world.facts.step = StepKind::title_or_summary;
  CHECK(world.route() == "bulk: cheap/flash tiny/haiku");
  CHECK(world.reasons().front() == "step_rule");
  CHECK(world.detail(Reason::step_rule) == "titles");
  world.facts.model = "big/opus";
  CHECK(world.route() == "frontier: big/opus");
  world.facts.model = "gpt-99";  // a rule that names no model does not make an unknown name known
  CHECK(world.route() == "error model_not_found");
  World intern;
  intern.difficulty.score = 1;
  intern.account.team = "interns";
  CHECK(intern.reasons().front() == "model_mapped");
  CHECK(intern.detail(Reason::model_mapped) == "interns");
  CHECK(intern.decide()->tier == "bulk");
}

TEST_CASE("a safety check goes where the client asked, else to the strongest tier",
          "[policy][decide]") {
  World world;
  world.facts.step = StepKind::permission_check;
  world.facts.model = "pro";
  world.allowance = {Pressure::cheap_only, "team:search", {}};
  CHECK(world.route() == "frontier: big/pro");
  CHECK(world.reasons() == Words{"protected_step"});
  world.facts.model = "auto";
  CHECK(world.route() == "frontier: big/opus big/pro");
  world.facts.model = "cheap/gone";
  CHECK(world.decide()->tier == "frontier");
}

TEST_CASE("override headers need permission and hold within the key's models", "[policy][decide]") {
  World world;
  world.override_target = "big/pro";
  CHECK(world.route() == "error route_override_not_allowed");
  CHECK(world.decide().error().http_status == 403);
  world.account.may_override_route = true;
  CHECK(world.route() == "frontier: big/pro");
  world.account.models_allowed = {"cheap/*"};
  CHECK(world.route() == "error model_not_allowed");
  world.account.models_allowed.clear();
  world.override_target = "big/none";
  CHECK(world.route() == "error model_not_found");
  world.override_target.reset();
  world.override_tier = "frontier";
  CHECK(world.decide()->tier == "frontier");
  world.override_tier = "middle";
  CHECK(world.route() == "error tier_not_found");
}

TEST_CASE("a classifier that abstains leaves the choice to the policy", "[policy][decide]") {
  World world;
  world.difficulty.abstained = true;
  world.difficulty.score = 1;
  CHECK(world.decide()->tier == "bulk");
  CHECK(contains(world.reasons(), "low_confidence"));
  world.policy.default_tier = 1;
  CHECK(world.decide()->tier == "frontier");
}

TEST_CASE("a thin budget raises the threshold, then leaves the frontier alone",
          "[policy][decide][budget]") {
  World world;
  world.difficulty.score = 0.8F;
  world.allowance = {Pressure::notify, "team:search", {}};
  CHECK(world.decide()->tier == "frontier");
  world.allowance.pressure = Pressure::prefer_cheap;
  CHECK(world.decide()->tier == "bulk");
  CHECK(world.detail(Reason::budget_pressure) == "team:search:prefer_cheap");
  CHECK(world.decide()->threshold == Approx(0.85F));
  world.difficulty.score = 0.86F;
  CHECK(world.decide()->tier == "frontier");
  world.allowance.pressure = Pressure::cheap_only;
  CHECK(world.route() == "bulk: cheap/flash tiny/haiku");
  CHECK(world.detail(Reason::budget_pressure) == "team:search:cheap_only");
  world.facts.model = "claude-strong";
  CHECK(world.route() == "bulk: cheap/flash tiny/haiku");
  world.facts.model = "big/opus";
  CHECK(world.route() == "frontier: big/opus");
  world.policy.pressure.cheap_only_pins = false;
  CHECK(world.route() == "error budget_exhausted");
  CHECK(world.decide().error().http_status == 402);
}

TEST_CASE("a target that lacks a capability is dropped, with the word",
          "[policy][decide][capability]") {
  World world;
  world.facts.needs.documents = true;  // big/opus alone has it
  CHECK(world.route() == "frontier: big/opus");
  CHECK(world.detail(Reason::capability_dropped) == "cheap/flash: documents");
  CHECK(contains(world.reasons(), "fallback"));
  world.facts.needs.audio = true;
  const auto error = world.decide().error();
  CHECK(error.code == "unsupported_capability");
  CHECK(error.http_status == 400);
  CHECK(error.message.find("audio") != std::string::npos);
  world.facts.needs = {};
  world.facts.needs.logprobs = true;  // dropped in translation, and counted there
  CHECK(world.decide());
  world.facts.needs.tools = true;
  world.facts.model = "cheap/small";
  CHECK(world.route() == "error unsupported_capability");
}

TEST_CASE("a prompt beyond the window looks for a larger one", "[policy][decide][capability]") {
  World world;
  world.facts.model = "cheap/small";
  world.facts.text_bytes = 30'000;
  CHECK(world.route() == "error context_length_exceeded");
  CHECK(world.decide().error().http_status == 400);
  world.facts.text_bytes = 3'000;
  CHECK(world.route() == "pin: cheap/small");
  World mixed;
  mixed.policy.tiers[0].targets.insert(
      mixed.policy.tiers[0].targets.begin(),
      {mixed.catalog.index_of(*mixed.catalog.find("small")), "cheap/small", 0, 1});
  CHECK(mixed.route() == "bulk: cheap/small cheap/flash tiny/haiku");
  mixed.facts.text_bytes = 30'000;
  CHECK(mixed.route() == "bulk: cheap/flash tiny/haiku");
  CHECK(contains(mixed.reasons(), "context_dropped"));
}

TEST_CASE("retired and keyless targets are dropped", "[policy][decide]") {
  World world;
  world.policy.tiers[0].targets.insert(
      world.policy.tiers[0].targets.begin(),
      {world.catalog.index_of(*world.catalog.find("gone")), "cheap/gone", 0, 1});
  CHECK(world.route() == "bulk: cheap/flash tiny/haiku");
  CHECK(contains(world.reasons(), "unpriced_dropped"));
  world.now = at("2026-02-28T23:59:59Z");
  CHECK(world.route() == "bulk: cheap/gone cheap/flash tiny/haiku");
  world.now = at("2025-12-31");
  CHECK(world.route() == "error no_model_available");

  catalog::LoadOptions options;
  options.secret_of = [](std::string_view name) -> std::optional<std::string> {
    return name == "tiny_KEY" ? std::optional<std::string>{"k"} : std::nullopt;
  };
  World keyless;
  keyless.catalog = test::world_catalog(options);
  CHECK(keyless.route() == "bulk: tiny/haiku");
  CHECK(keyless.detail(Reason::unpriced_dropped) == "cheap/flash: no key in cheap_KEY");
  keyless.facts.model = "big/opus";
  CHECK(keyless.route() == "error provider_key_missing");
  CHECK(keyless.decide().error().http_status == 503);
}

TEST_CASE("a key reaches only the models and tiers of its list", "[policy][decide]") {
  World world;
  world.difficulty.score = 1;
  world.account.models_allowed = {"bulk"};
  CHECK(world.route() == "bulk: cheap/flash tiny/haiku");
  CHECK(contains(world.reasons(), "key_not_allowed"));
  world.account.models_allowed = {"tiny/*"};
  CHECK(world.route() == "bulk: tiny/haiku");
  world.account.models_allowed = {"nothing"};
  CHECK(world.route() == "error model_not_allowed");
  CHECK(world.decide().error().http_status == 403);
}

TEST_CASE("inside a tool loop the model that began it goes on", "[policy][decide][stay]") {
  auto world = in_loop("big/pro", "frontier");
  CHECK(world.route() ==
        "frontier: big/pro big/opus cheap/flash tiny/haiku");  // though the step is easy
  CHECK(world.reasons() == Words{"auto_routed", "stayed_in_tool_loop", "fallback"});
  world = in_loop("cheap/flash", "bulk");
  world.difficulty.score = 1;
  CHECK(world.decide()->tier == "bulk");
  world.policy.switching.stay_in_tool_loop = false;
  CHECK(world.decide()->tier == "frontier");
  world = in_loop("big/unknown", "frontier");  // a model that is gone from the catalog binds nobody
  CHECK(world.decide()->tier == "bulk");
  world = in_loop("big/pro", "frontier");
  world.allowance = {Pressure::cheap_only, "key:dev", {}};
  CHECK(world.decide()->tier == "bulk");
  world = in_loop("big/pro", "frontier");
  world.facts.model = "claude-strong";  // a mapped tier keeps to its loop's target as well
  CHECK(world.route() == "frontier: big/pro big/opus cheap/flash tiny/haiku");
  CHECK(contains(world.reasons(), "stayed_in_tool_loop"));
}

TEST_CASE("a failing loop moves up and stays up until it ends", "[policy][decide][escalation]") {
  auto world = in_loop("cheap/flash", "bulk");
  world.facts.trace.error_streak = 2;
  CHECK(world.decide()->tier == "bulk");
  world.facts.trace.error_streak = 3;
  CHECK(world.decide()->tier == "frontier");
  CHECK(world.detail(Reason::escalated) == "error_streak 3");
  world.escalation_allowed = false;
  CHECK(world.decide()->tier == "bulk");
  world.escalation_allowed = true;
  world.allowance.pressure = Pressure::cheap_only;
  CHECK(world.decide()->tier == "bulk");
  world.policy.escalation.error_streak = 0;
  world.allowance.pressure = Pressure::none;
  CHECK(world.decide()->tier == "bulk");

  for (const auto sign : {&TraceCounters::errors_recent, &TraceCounters::repeats_recent}) {
    auto other = in_loop("cheap/flash", "bulk");
    other.facts.trace.*sign = 4;
    CHECK(other.decide()->tier == "frontier");
  }
  auto unusable = in_loop("cheap/flash", "bulk");
  unusable.stay->unusable_answer = true;
  CHECK(unusable.detail(Reason::escalated) == "unusable_answer");

  auto later = in_loop("big/opus", "frontier");  // the errors are over, the loop is not
  later.stay->escalated = true;
  CHECK(later.route() == "frontier: big/opus big/pro cheap/flash tiny/haiku");
  CHECK(later.detail(Reason::escalated) == "until the loop ends");

  World fresh;  // nothing is known of the conversation, after a restart for example
  fresh.facts.in_tool_loop = true;
  fresh.facts.trace.error_streak = 5;
  CHECK(fresh.decide()->tier == "frontier");
}

TEST_CASE("at a human turn a conversation goes up when the step is hard",
          "[policy][decide][switch]") {
  World world;
  world.stay = Stay{"cheap/flash", "bulk", false, false, 1000};
  world.difficulty.score = 0.9F;
  CHECK(world.decide()->tier == "frontier");
  CHECK(world.detail(Reason::switched_at_human_turn) ==
        "from cheap/flash; loses 1000 cached tokens");
  world.difficulty.score = 0.1F;
  CHECK(world.route() == "bulk: cheap/flash tiny/haiku");
  CHECK_FALSE(contains(world.reasons(), "switched_at_human_turn"));
}

TEST_CASE("at a human turn a conversation goes down only if that pays for the lost cache",
          "[policy][decide][switch]") {
  World world;
  world.facts.text_bytes = 400'000;
  world.stay = Stay{"big/pro", "frontier", false, false, 100'000};
  CHECK(world.decide()->tier == "bulk");  // ten times cheaper: pays at once
  CHECK(contains(world.reasons(), "switched_at_human_turn"));
  world.policy.switching.saving_min = 0.95F;
  CHECK(world.route() == "frontier: big/pro big/opus cheap/flash tiny/haiku");
  CHECK(world.detail(Reason::stayed_for_cache)
            .starts_with("big/pro holds the cache; a switch would save 90 %"));
}

TEST_CASE("a target in trouble goes to the end, the ejected after the degraded",
          "[policy][decide][health]") {
  World world;
  world.difficulty.score = 1;
  world.health = HealthView{{{"big/pro", Health::degraded}, {"big/opus", Health::ejected}}};
  CHECK(world.route() == "bulk: cheap/flash tiny/haiku big/pro big/opus");
  CHECK(contains(world.reasons(), "unhealthy_demoted"));
  world.health = HealthView{{{"big/pro", Health::ejected},
                             {"big/opus", Health::ejected},
                             {"cheap/flash", Health::ejected},
                             {"tiny/haiku", Health::ejected}}};
  CHECK(world.decide()->candidates.size() ==
        4);  // with all ejected the caller still has somebody to try
}

TEST_CASE("a tier can put the cheapest first, by what this step would cost",
          "[policy][decide][order]") {
  World world;
  world.difficulty.score = 1;
  world.policy.tiers[1].order = TierOrder::cheapest;
  CHECK(world.route() == "frontier: big/pro big/opus cheap/flash tiny/haiku");
  CHECK(world.detail(Reason::cheapest_first).starts_with("big/pro: about 0.0"));
}

TEST_CASE("weights divide conversations, and a conversation keeps its draw",
          "[policy][decide][order]") {
  World world;
  world.difficulty.score = 1;
  world.policy.tiers[1].order = TierOrder::weighted;
  world.policy.tiers[1].targets[0].weight = 1;
  world.policy.tiers[1].targets[1].weight = 3;
  int pro = 0;
  for (int i = 0; i < 4000; ++i) {
    world.facts.conversation = std::to_string(i);
    const auto first = world.decide()->candidates.front().model;
    CHECK(world.decide()->candidates.front().model == first);
    pro += first == "pro" ? 1 : 0;
  }
  CHECK(pro > 2850);
  CHECK(pro < 3150);
}

TEST_CASE("targets without the policy's data tags are never used", "[policy][decide]") {
  World world;
  world.policy.data_tags = {"no_training"};
  CHECK(world.route() == "error unsupported_capability");
  CHECK(world.decide().error().message.find("data tag no_training") != std::string::npos);
}

TEST_CASE("the same situation gives the same decision", "[policy][decide]") {
  World world;
  world.difficulty.score = 0.9F;
  world.policy.tiers[1].order = TierOrder::weighted;
  const auto first = world.decide().value();
  const World again;
  for (int i = 0; i < 100; ++i) CHECK(world.decide().value() == first);
  World other;
  other.difficulty.score = 0.9F;
  other.policy.tiers[1].order = TierOrder::weighted;
  CHECK(other.decide().value() == first);
}
