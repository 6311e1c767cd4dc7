// The weights that ship are what the training program makes of the routing data, byte for byte.
#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "classify/classifier.hpp"
#include "prior.hpp"

namespace turnpike::routing {

TEST_CASE("training again gives the weights that ship, byte for byte", "[routing][retrain]") {
  const char* const shared = std::getenv("TURNPIKE_SHARED");
  const auto root = shared != nullptr
                        ? std::filesystem::path{shared}
                        : std::filesystem::path{TURNPIKE_SOURCE_DIR}.parent_path() / "shared";
  const auto data = root / "data" / "routing";
  if (!std::filesystem::exists(data / "train.jsonl")) {
    std::cerr << "SKIPPED: " << (data / "train.jsonl").string()
              << " is not there; set TURNPIKE_SHARED\n";
    return;
  }
  auto outcomes = read_outcomes(data / "train.jsonl");
  auto tiers = read_tiers(data / "tiers_train.jsonl");
  set_targets(outcomes, tiers);
  std::vector<const Example*> examples;
  for (const auto& example : outcomes) examples.push_back(&example);
  for (const auto& example : tiers) examples.push_back(&example);
  REQUIRE(examples.size() > 12'000);

  const auto weights = make_prior(examples, Recipe{}, HandSet::with);
  const auto& shipped = classify::Classifier::built_in();
  CHECK(weights.version == shipped.version());
  CHECK(classify::write_weights(weights) == classify::write_weights(shipped.weights()));

  examples.pop_back();  // and the comparison can fail: one row less is another file
  CHECK(classify::write_weights(make_prior(examples, Recipe{}, HandSet::with)) !=
        classify::write_weights(shipped.weights()));
}

}  // namespace turnpike::routing
