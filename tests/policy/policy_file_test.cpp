#include <algorithm>
#include <catch2/catch.hpp>

#include "policy/world.hpp"

using namespace turnpike;
using namespace turnpike::policy;
using test::at;

namespace {

std::vector<std::string> faults_of(const std::string& text, const std::string& day = "2026-06-01",
                                   catalog::Severity unusable = catalog::Severity::error) {
  const auto catalog = test::world_catalog();
  const test::Folder folder;
  const auto policy = Policy::load(folder.write("p.toml", text), catalog, {at(day), unusable});
  const auto& faults = policy ? policy->warnings() : policy.error();
  std::vector<std::string> texts;
  for (const auto& fault : faults)
    texts.push_back(to_string(fault).substr(folder.path().generic_string().size() + 1));
  return texts;
}

bool has(const std::vector<std::string>& texts, const std::string& wanted) {
  for (const auto& text : texts) UNSCOPED_INFO(text);
  return std::find(texts.begin(), texts.end(), wanted) != texts.end();
}

}  // namespace

TEST_CASE("all faults of a policy come together with place and nearest name", "[policy][file]") {
  CHECK(faults_of(R"([policy]
name = "x"
client_pins = "allow"
default_tier = "bulkk"
[frontier_share]
target = 1.5
window = "6 hours"
per = "keys"
[[tier]]
name = "bulk"
targets = ["cheap/flsh", { target = "cheap/flash", wieght = 3 }]
escalate_to = "fronteer"
[[tier]]
name = "frontier"
frontier = true
order = "cheap"
targets = ["big/opus", "big/opus"]
fallback = ["tier:blk"]
[[rule]]
name = "r"
step = ["titel"]
route = "tier:frontie"
[models]
"auto" = "automatic"
gpt-4.1 = "auto"
[escalations]
error_streak = 3
)") == std::vector<std::string>{
           "p.toml:3:15: [policy]: \"client_pins\" cannot be \"allow\" (nearest: \"allowed\"); "
           "known: refused, allowed",
           "p.toml:4:16: [policy] default_tier names tier \"bulkk\", not in this file (nearest: "
           "\"bulk\")",
           "p.toml:6:10: [frontier_share]: \"target\" must lie between 0 and 1",
           "p.toml:7:10: [frontier_share]: \"window\" must be a duration such as \"90s\", \"15m\", "
           "\"6h\" or \"7d\"",
           "p.toml:8:7: [frontier_share]: \"per\" cannot be \"keys\" (nearest: \"key\"); known: "
           "key, team, all",
           "p.toml:11:12: tier \"bulk\" names model \"cheap/flsh\", not in providers/ (nearest: "
           "\"cheap/flash\")",
           "p.toml:11:52: tier \"bulk\" target: unknown key \"wieght\" (nearest: \"weight\")",
           "p.toml:12:15: tier \"bulk\" escalate_to names tier \"fronteer\", not in this file "
           "(nearest: \"frontier\")",
           "p.toml:16:9: tier \"frontier\": \"order\" cannot be \"cheap\" (nearest: \"cheapest\"); "
           "known: listed, cheapest, weighted, fastest, balanced",
           "p.toml:17:24: tier \"frontier\" lists \"big/opus\" twice",
           "p.toml:18:13: tier \"frontier\" fallback names tier \"blk\", not in this file "
           "(nearest: \"bulk\")",
           "p.toml:21:8: rule \"r\": unknown step kind \"titel\"",
           "p.toml:22:9: rule \"r\" route names tier \"frontie\", not in this file (nearest: "
           "\"frontier\")",
           "p.toml:24:10: [models] \"auto\" names model \"automatic\", not in providers/",
           "p.toml:25:1: [models] \"gpt-4\" must be \"auto\", \"asked\", \"tier:…\" or "
           "\"provider/model\" (a name with a dot needs quotes)",
           "p.toml:26:2: file: unknown key \"escalations\" (nearest: \"escalation\")",
       });
}

TEST_CASE("names are one line of plain letters", "[policy][file]") {
  const auto named = [](const std::string& policy, const std::string& tier, const std::string& rule) {
    return faults_of("[policy]\nname = " + policy + "\n[[tier]]\nname = " + tier +
                     "\ntargets = [\"cheap/flash\"]\n[[rule]]\nname = " + rule +
                     "\nteam = \"x\"\nroute = \"auto\"\n");
  };
  CHECK(named("\"night-shift 2.0\"", "\"bulk\"", "\"nightly jobs: wait, for nobody (yet)\"").empty());
  const std::string lawful = " must be 1 to 64 ASCII letters, digits, blanks inside, or any of _-.,:+/()'&";
  CHECK(has(named("\"two\\nlines\"", "\"bulk\"", "\"r\""),
            "p.toml:2:8: [policy]: the name \"two\\x0alines\"" + lawful));
  CHECK(has(named("\"p\"", "\"a\\\"b\"", "\"r\""), "p.toml:4:8: [[tier]]: the name \"a\\\"b\"" + lawful));
  CHECK(has(named("\"p\"", "\"bulk\"", "\" r\""), "p.toml:7:8: [[rule]]: the name \" r\"" + lawful));
  CHECK_FALSE(named("\"" + std::string(65, 'p') + "\"", "\"bulk\"", "\"r\"").empty());
}

TEST_CASE("fallbacks and escalations that come back are faults", "[policy][file]") {
  const auto faults = faults_of(R"([policy]
name = "x"
[frontier_share]
target = 0.3
[[tier]]
name = "a"
targets = ["cheap/flash"]
fallback = ["tier:b"]
escalate_to = "b"
[[tier]]
name = "b"
frontier = true
targets = ["big/opus"]
fallback = ["tier:a"]
escalate_to = "a"
)");
  CHECK(has(faults, "p.toml:8:13: tier \"a\" fallback comes back to tier \"b\""));
  CHECK(has(faults, "p.toml:14:13: tier \"b\" fallback comes back to tier \"a\""));
  CHECK(has(faults, "p.toml:9:15: tier \"a\" escalate_to comes back to itself"));
  CHECK(has(faults, "p.toml:15:15: tier \"b\" escalate_to comes back to itself"));
  CHECK(faults.size() == 4);
}

TEST_CASE(
    "a tier without anything on sale is refused in the policy in force and remarked on elsewhere",
    "[policy][file]") {
  const std::string text = R"([policy]
name = "x"
[[tier]]
name = "only"
targets = ["cheap/gone"]
)";
  CHECK(has(faults_of(text, "2026-03-01"),
            "p.toml:3:1: tier \"only\" has no target with a price on 2026-03-01"));
  CHECK(has(faults_of(text, "2026-03-01", catalog::Severity::warning),
            "p.toml:3:1: warning: tier \"only\" has no target with a price on 2026-03-01"));
  CHECK(faults_of(text, "2026-02-01").empty());
}

TEST_CASE("a tier that cannot use tools is remarked on", "[policy][file]") {
  const auto faults =
      faults_of("[policy]\nname = \"x\"\n[[tier]]\nname = \"only\"\ntargets = [\"cheap/small\"]\n");
  CHECK(has(faults,
            "p.toml:3:1: warning: tier \"only\" has no target with tools: agent steps leave it for "
            "its fallback"));
  CHECK(
      has(faults, "p.toml:3:1: warning: cheap/small has no tools: steps that carry tools skip it"));
}

TEST_CASE("a policy needs a name, tiers and, with two tiers, a share", "[policy][file]") {
  CHECK(has(faults_of(""), "p.toml:1:1: file: no [[tier]]"));
  CHECK(has(faults_of(""), "p.toml:1:1: file: [policy] is missing"));
  CHECK(has(
      faults_of("[policy]\nname = \"x\"\n[[tier]]\nname = \"a\"\ntargets = "
                "[\"cheap/flash\"]\n[[tier]]\nname = \"b\"\n"
                "frontier = true\ntargets = [\"big/opus\"]\n"),
      "p.toml:1:1: file: [frontier_share] is missing, which divides the steps between the tiers"));
}

TEST_CASE("names are resolved at load and wildcards stand by precision", "[policy][file]") {
  const auto catalog = test::world_catalog();
  const auto policy = test::load_policy(test::world_policy, catalog);
  REQUIRE(policy.tiers.size() == 2);
  CHECK(policy.easy_tier == 0);
  CHECK(policy.hard_tier == 1);
  CHECK(policy.tiers[0].escalate_to == 1);  // by default a failing loop goes up
  CHECK(policy.tiers[1].fallback.size() == 2);
  CHECK(policy.tiers[1].fallback[0].name == "cheap/flash");
  CHECK(policy.tiers[1].fallback[1].name == "tiny/haiku");
  std::vector<std::string> patterns;
  for (const auto& entry : policy.models) patterns.push_back(entry.pattern);
  CHECK(patterns == std::vector<std::string>{"auto", "claude-strong", "mypin", "claude-*haiku*",
                                             "claude-*", "real-*"});
  CHECK(policy.public_names() == std::vector<std::string>{"auto", "claude-strong", "mypin",
                                                          "cheap/flash", "tiny/haiku", "big/opus",
                                                          "big/pro"});
}
