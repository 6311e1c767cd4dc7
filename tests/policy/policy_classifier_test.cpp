#include <catch2/catch.hpp>

#include <string>
#include <utility>

#include "policy/world.hpp"

namespace turnpike::policy {
namespace {

std::string with_classifier(const std::string& lines) { return std::string{test::world_policy} + "\n[classifier]\n" + lines; }

}  // namespace

TEST_CASE("a policy learns as a whole, from weak signals too, unless it says otherwise", "[policy][file]") {
  const auto catalog = test::world_catalog();
  const auto plain = test::load_policy(test::world_policy, catalog);
  CHECK(plain.classifier == ClassifierSettings{LearnPer::policy, true});
  const auto team = test::load_policy(with_classifier("learn = \"team\"\nweak_signals = false\n"), catalog);
  CHECK(team.classifier == ClassifierSettings{LearnPer::team, false});
  CHECK(test::load_policy(with_classifier("learn = \"key\"\n"), catalog).classifier.learn == LearnPer::key);
  CHECK(test::load_policy(with_classifier("learn = \"off\"\n"), catalog).classifier.learn == LearnPer::off);
}

TEST_CASE("faults of [classifier] name what may stand there", "[policy][file]") {
  const auto catalog = test::world_catalog();
  const test::Folder folder;
  const auto faults_of = [&](const std::string& lines) {
    const auto policy = Policy::load(folder.write("p.toml", with_classifier(lines)), catalog, {test::at("2026-06-01")});
    std::string all;
    for (const auto& fault : policy ? policy->warnings() : policy.error()) all += to_string(fault) + "\n";
    return std::pair{policy.has_value(), all};
  };
  const auto wrong = faults_of("learn = \"keys\"\n");
  CHECK_FALSE(wrong.first);
  CHECK(wrong.second.find("\"key\"") != std::string::npos);
  const auto unknown = faults_of("lern = \"key\"\n");
  CHECK_FALSE(unknown.first);
  CHECK(unknown.second.find("learn") != std::string::npos);
  const auto idle = faults_of("learn = \"off\"\nweak_signals = true\n");
  CHECK(idle.first);
  CHECK(idle.second.find("weak_signals has no effect") != std::string::npos);
}

}  // namespace turnpike::policy
