#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/world.hpp"

using namespace turnpike;
using namespace turnpike::policy;

namespace {

const std::string head = std::string{test::world_policy}.substr(0, std::string{test::world_policy}.find("[models]"));

std::vector<std::string> faults_of(const std::string& shadow) {
  const auto catalog = test::world_catalog();
  const test::Folder folder;
  const auto policy = Policy::load(folder.write("p.toml", head + shadow), catalog, {test::at("2026-06-01"), catalog::Severity::error});
  std::vector<std::string> texts;
  for (const auto& fault : policy ? policy->warnings() : policy.error()) texts.push_back(fault.message);
  return texts;
}

bool tells(const std::string& shadow, const std::string& wanted) {
  const auto texts = faults_of(shadow);
  for (const auto& text : texts) UNSCOPED_INFO(text);
  return std::ranges::any_of(texts, [&](const auto& text) { return text.find(wanted) != std::string::npos; });
}

}  // namespace

TEST_CASE("a [shadow] section says whom to ask, how often and for how much", "[policy][shadow]") {
  const auto catalog = test::world_catalog();
  const auto policy = test::load_policy(head + R"([shadow]
candidate = "cheap/flash"
sample = 0.2
credits_per_day = "2.5"
steps = ["human_turn", "compaction"]
until = 2026-12-15
self_sample = 0.25
judge = "big/pro"
judge_sample = 0.5
keep_texts = true
concurrency_max = 3
)",
                                        catalog);
  REQUIRE(policy.shadow);
  CHECK(policy.shadow->candidate.name == "cheap/flash");
  CHECK(catalog.models()[policy.shadow->candidate.index].id == "flash");
  CHECK(policy.shadow->credits_per_day.nano() == 2'500'000'000);
  CHECK(policy.shadow->takes(StepKind::compaction));
  CHECK_FALSE(policy.shadow->takes(StepKind::tool_continuation));
  CHECK(policy.shadow->until == test::at("2026-12-15"));
  CHECK(policy.shadow->judge->name == "big/pro");
  CHECK(policy.shadow->keep_texts);
  CHECK(policy.shadow->concurrency_max == 3);
}

TEST_CASE("hard steps are sampled three times as often, and never more than always", "[policy][shadow]") {
  ShadowPlan plan;
  plan.sample = 0.1;
  CHECK(plan.chance_of(0.5F) == Approx(0.1));
  CHECK(plan.chance_of(0.9F) == Approx(0.3));
  plan.sample = 0.6;
  CHECK(plan.chance_of(0.9F) == 1);
}

TEST_CASE("every fault of a [shadow] section is told", "[policy][shadow]") {
  const std::string good = "[shadow]\ncandidate = \"cheap/flash\"\ncredits_per_day = 1\n";
  CHECK(faults_of(good).empty());
  CHECK(tells("[shadow]\ncredits_per_day = 1\n", "\"candidate\" is missing"));
  CHECK(tells("[shadow]\ncandidate = \"cheap/flsh\"\ncredits_per_day = 1\n", "nearest: \"cheap/flash\""));
  CHECK(tells("[shadow]\ncandidate = \"cheap/flash\"\n", "nothing is shadowed without a cap"));
  CHECK(tells("[shadow]\ncandidate = \"cheap/flash\"\ncredits_per_day = 0\n", "above zero"));
  CHECK(tells("[shadow]\ncandidate = \"cheap/flash\"\ncredits_per_day = \"1e9\"\n", "must be digits with at most one point, such as \"0.15\", not \"1e9\""));
  CHECK(tells("[shadow]\ncandidate = \"cheap/flash\"\ncredits_per_day = 10000000000\n", "at most 9223372036"));
  CHECK(tells("[shadow]\ncandidate = \"cheap/flash\"\ncredits_per_day = \"0.0000000001\"\n", "9 digits"));
  CHECK(tells(good + "sample = 1.5\n", "sample"));
  CHECK(tells(good + "steps = [\"permission_check\"]\n", "never shadowed"));
  CHECK(tells(good + "steps = [\"humn\"]\n", "unknown step kind \"humn\""));
  CHECK(tells(good + "judge = \"cheap/flash\"\n", "cannot judge itself"));
  CHECK(tells(good + "judge_sample = 0.5\n", "without \"judge\""));
  CHECK(tells(good + "until = 2026-01-01\n", "has ended"));
  CHECK(tells(good + "sampel = 1\n", "sampel"));
  CHECK(tells("[shadow]\ncandidate = \"cheap/gone\"\ncredits_per_day = 1\n", "[shadow] waits"));
}

TEST_CASE("a judge must carry the policy's data tags, since it reads what clients send", "[policy][shadow]") {
  const auto with_tag = [](const std::string& provider) {
    return test::provider_text(provider, "openai-chat") + test::model_text("m", 1, std::string{test::all_can} + "data = [\"eu\"]\n");
  };
  const test::Folder providers;
  providers.write("home.toml", with_tag("home") + test::model_text("trial", 1, std::string{test::all_can} + "data = [\"eu\"]\n"));
  providers.write("near.toml", with_tag("near"));
  providers.write("far.toml", test::provider_text("far", "openai-chat") + test::model_text("m", 1, test::all_can));
  const auto catalog = catalog::Catalog::load(providers.path());
  REQUIRE(catalog);
  const auto load = [&](const std::string& judge) {
    const test::Folder folder;
    return Policy::load(folder.write("p.toml", "[policy]\nname = \"p\"\ndata = [\"eu\"]\n[[tier]]\nname = \"t\"\ntargets = [\"home/m\"]\n[models]\n\"auto\" = \"tier:t\"\n"
                                               "[shadow]\ncandidate = \"home/trial\"\ncredits_per_day = 1\njudge = \"" + judge + "\"\n"),
                        *catalog, {test::at("2026-06-01"), catalog::Severity::error});
  };
  CHECK(load("near/m"));
  const auto refused = load("far/m");
  REQUIRE_FALSE(refused);
  REQUIRE(refused.error().size() == 1);
  CHECK(refused.error().front().message.find("the judge far/m lacks the data tag \"eu\"") != std::string::npos);
}

TEST_CASE("the account of a policy's shadow runs has a name that a budget can have", "[policy][shadow]") {
  CHECK(shadow_key_id("free-window") == "shadow:free-window");
  CHECK(shadow_key_id("two words") == "shadow:two-words");
  CHECK(shadow_key_id(std::string(300, 'x')).size() <= 124);
}
