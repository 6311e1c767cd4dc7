// Trains the classifier that ships: reads the routing data, writes built_in.cpp.bin and
// built_in_version.hpp. Same data, same bytes. Usage: turnpike-train DATA_DIR OUTPUT_DIR
// [WITHOUT_SOURCE], where OUTPUT_DIR is src/classify (then build again, and run
// bench/routing/table.py). Weights that were trained without one source tell what learning on a new
// workload adds.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <vector>

#include "prior.hpp"

namespace turnpike::routing {
namespace {

bool write_files(const classify::Weights& weights, const std::filesystem::path& folder) {
  const auto bytes = classify::write_weights(weights);
  std::ofstream data{folder / "built_in.cpp.bin", std::ios::binary};
  data.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  std::ofstream header{folder / "built_in_version.hpp"};
  header
      << "// Written by bench/routing/train.cpp together with built_in.cpp.bin.\n#pragma once\n\n"
         "#include <string_view>\n\nnamespace turnpike::classify {\n\n"
      << fmt::format("inline constexpr std::string_view built_in_version = \"{}\";\n\n",
                     weights.version)
      << "}  // namespace turnpike::classify\n";
  data.flush();
  header.flush();
  fmt::print("{}: {} bytes of weights\n", weights.version, bytes.size());
  return data && header;
}

}  // namespace
}  // namespace turnpike::routing

int main(int argc, char** argv) {
  using namespace turnpike::routing;
  if (argc != 3 && argc != 4) {
    fmt::print(stderr, "usage: turnpike-train DATA_DIR OUTPUT_DIR [WITHOUT_SOURCE]\n");
    return 2;
  }
  const std::filesystem::path data{argv[1]};
  auto outcomes = read_outcomes(data / "train.jsonl");
  auto tiers = read_tiers(data / "tiers_train.jsonl");
  if (argc == 4)
    std::erase_if(outcomes, [&](const Example& example) { return example.source == argv[3]; });
  set_targets(outcomes, tiers);
  std::vector<const Example*> examples;
  examples.reserve(outcomes.size() + tiers.size());
  for (const auto& example : outcomes) examples.push_back(&example);
  for (const auto& example : tiers) examples.push_back(&example);

  if (!write_files(make_prior(examples, Recipe{}, HandSet::with), argv[2])) {
    fmt::print(stderr, "cannot write below {}\n", argv[2]);
    return 3;
  }
  return 0;
}
