// The files in policies/ themselves, and what `turnpike check` says of them.
#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/check.hpp"
#include "policy/world.hpp"

using namespace turnpike;
using namespace turnpike::policy;
using test::at;

namespace {

const std::filesystem::path source_dir{TURNPIKE_SOURCE_DIR};

std::vector<Fault> check(std::string_view active, const std::string& day) {
  return check_all(source_dir / "providers", source_dir / "policies", active, {}, at(day));
}

std::size_t errors(const std::vector<Fault>& faults) {
  std::size_t count = 0;
  for (const auto& fault : faults) {
    if (fault.severity != catalog::Severity::error) continue;
    ++count;
    UNSCOPED_INFO(to_string(fault));
  }
  return count;
}

/// The shipped providers and one shipped policy on a day of its time.
test::World shipped_world(const std::string& name, const std::string& day) {
  test::World world;
  world.catalog = catalog::Catalog::load(source_dir / "providers").value();
  auto policy = Policy::load(source_dir / "policies" / (name + ".toml"), world.catalog,
                             {at(day), catalog::Severity::error});
  if (!policy) FAIL(to_string(policy.error().front()));
  world.policy = std::move(*policy);
  world.now = at(day);
  return world;
}

}  // namespace

TEST_CASE("the shipped policies are without error today and in the days of the essay",
          "[policy][shipped]") {
  for (const auto* active : {"seventy-thirty", "all-frontier", "all-bulk", "essay-2025-12", "cache-first", "team-paced"}) {
    CAPTURE(active);
    CHECK(errors(check(active, "2026-11-22")) == 0);
    CHECK(errors(check(active, "2027-06-01")) == 0);
  }
  CHECK(errors(check("essay-2025-12", "2025-12-01")) == 0);
  CHECK(errors(check("seventy-thirty", "2025-12-01")) == 2);  // neither tier existed
}

TEST_CASE("the policy in force has no remarks today", "[policy][shipped]") {
  for (const auto& fault : check("seventy-thirty", "2026-11-22")) {
    CAPTURE(to_string(fault));
    CHECK(fault.file.find("essay-2025-12") != std::string::npos);
  }
}

TEST_CASE("check announces the end of a promotion and of a holiday list", "[policy][shipped]") {
  const auto said = [](const std::string& day, const std::string& words) {
    const auto faults = check("seventy-thirty", day);
    return std::any_of(faults.begin(), faults.end(), [&](const Fault& f) {
      return to_string(f).find(words) != std::string::npos;
    });
  };
  CHECK(
      said("2026-12-26", "price gemini/gemini-3.8-flash@2026-10-01 ends on 2027-01-01T00:00:00Z"));
  CHECK_FALSE(said("2026-12-24", "price gemini/gemini-3.8-flash@2026-10-01 ends"));
  CHECK(said("2027-01-01", "the holidays of window \"peak\" end on 2026-10-07"));
  CHECK_FALSE(said("2026-12-31", "the holidays of window"));
}

TEST_CASE("an active policy that is not there is an error, a path outside the folder is read",
          "[policy][shipped]") {
  CHECK(errors(check("seventy-forty", "2026-11-22")) == 1);
  const test::Folder folder;
  const auto file = folder.write("own.toml", test::world_policy);
  CHECK(errors(check(file.string(), "2026-11-22")) >
        0);  // its models are not in the shipped providers
}

TEST_CASE("the default policy routes the names harnesses come with", "[policy][shipped]") {
  auto world = shipped_world("seventy-thirty", "2026-11-22");
  world.facts.needs.tools = true;
  const auto routed = [&world](const std::string& asked, float score) {
    world.facts.model = asked;
    world.difficulty.score = score;
    return world.route();
  };
  const std::string bulk =
      "bulk: deepseek/deepseek-flash anthropic/claude-haiku-5-5 gemini/gemini-3.8-flash";
  const std::string frontier =
      "frontier: anthropic/claude-opus-5-5 gemini/gemini-3.1-pro-preview deepseek/deepseek-flash "
      "anthropic/claude-haiku-5-5 gemini/gemini-3.8-flash";
  for (const auto* name : {"auto", "turnpike", "claude-sonnet-5-5", "claude-opus-4-8",
                           "gpt-6.1-sol", "gemini-3.1-pro-preview", "gemini-3-pro-preview",
                           "deepseek-chat", "deepseek-flash", "sonnet", "opus"}) {
    CAPTURE(name);
    CHECK(routed(name, 0.1F) == bulk);
    CHECK(routed(name, 0.9F) == frontier);
  }
  for (const auto* name : {"claude-haiku-4-5", "claude-haiku-4-5-20251001", "haiku",
                           "gemini-3.5-flash-lite", "gpt-5-mini"}) {
    CAPTURE(name);
    CHECK(routed(name, 0.9F) == bulk);
  }
  CHECK(routed("anthropic/claude-opus-5-5", 0.1F) == "frontier: anthropic/claude-opus-5-5");
  CHECK(routed("gemini/gemini-3-pro-preview", 0.1F) == "error model_retired");
  CHECK(routed("no-such-model", 0.1F) == "error model_not_found");
}

TEST_CASE("the essay's policy lives through the end of its window", "[policy][shipped]") {
  auto world = shipped_world("essay-2025-12", "2025-12-01");
  CHECK(world.decide()->candidates.front().target() == "deepseek-speciale/deepseek-v3.2-speciale");
  world.facts.needs.tools = true;
  CHECK(world.decide()->candidates.front().target() == "deepseek/deepseek-reasoner");
  world.facts.needs.tools = false;
  world.difficulty.score = 0.9F;
  CHECK(world.decide()->candidates.front().target() == "anthropic/claude-opus-4-5");
  world.difficulty.score = 0.1F;
  world.now = at("2025-12-15T15:58:59Z");
  CHECK(world.decide()->candidates.front().model == "deepseek-v3.2-speciale");
  world.now = at("2025-12-15T15:59:00Z");  // no restart, no reload
  CHECK(world.decide()->candidates.front().target() == "deepseek/deepseek-reasoner");
  CHECK(world.detail(Reason::unpriced_dropped).find("no longer offered") != std::string::npos);
}

TEST_CASE("cache-first keeps a long conversation where its cache is, and climbs one tier at a time", "[policy][shipped]") {
  auto world = shipped_world("cache-first", "2026-11-22");
  world.facts.text_bytes = 600'000;
  world.facts.trace.assistant_turns = 30;
  world.facts.trace.human_turns = 10;
  world.threshold = 0.7F;
  world.steps_left = 4;
  world.stay = Stay{.target = "deepseek/deepseek-flash", .tier = "bulk", .cached_tokens = 150'000};
  world.warm = {{"deepseek/deepseek-flash", 150'000, 1}};
  world.difficulty.score = 0.85F;  // hard, but not hard enough for reading 150,000 tokens in anew
  CHECK(world.decide()->candidates.front().target() == "deepseek/deepseek-flash");
  CHECK(world.decide()->switching.move == SwitchVerdict::Move::avoided);
  auto seventy = shipped_world("seventy-thirty", "2026-11-22");  // the default asks for less
  static_cast<RouteInputs&>(seventy) = world;
  seventy.facts = world.facts;
  seventy.difficulty = world.difficulty;
  seventy.facts.trace.human_turns = 1;
  seventy.steps_left = 60;
  CHECK(seventy.decide()->tier == "frontier");

  world.facts.in_tool_loop = true;
  world.facts.trace.error_streak = 3;
  CHECK(world.decide()->tier == "middle");
  world.stay = Stay{.target = "deepseek/deepseek-v4-pro", .tier = "middle", .escalated = true, .tier_steps = 4};
  CHECK(world.decide()->tier == "frontier");
}

TEST_CASE("team-paced holds spend per team, shares a contract by weight and keeps batch jobs cheap", "[policy][shipped]") {
  auto world = shipped_world("team-paced", "2026-11-22");
  CHECK(world.policy.share->of == ShareOf::spend);
  CHECK(world.policy.share->per == SharePer::team);
  world.difficulty.score = 0.95F;
  int claude = 0;
  for (int i = 0; i < 400; ++i) {
    world.facts.conversation = std::to_string(i);
    claude += world.decide()->candidates.front().provider == "anthropic" ? 1 : 0;
  }
  CHECK(claude > 270);
  CHECK(claude < 330);
  world.account.team = "batch-eu";
  CHECK(world.decide()->tier == "bulk");
  world.account.team = "search";
  world.allowance.pressure = Pressure::cheap_only;
  world.facts.model = "anthropic/claude-opus-5-5";  // named by the client, and refused all the same
  CHECK(world.decide().error().code == "budget_exhausted");
}
