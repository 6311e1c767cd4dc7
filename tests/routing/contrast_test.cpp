// Pairs of agents' requests of which one is harder than the other by structure or by what is asked:
// our own, in the shapes of all four dialects, and the development pairs of the routing data where
// they are at hand.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "loop_bodies.hpp"

namespace turnpike::routing_test {
namespace {

using Json = nlohmann::json;

std::vector<Json> rows_of(const std::filesystem::path& file) {
  std::vector<Json> rows;
  std::ifstream in{file};
  for (std::string line; std::getline(in, line);) rows.push_back(Json::parse(line));
  return rows;
}

std::filesystem::path shared_file(const std::string& name) {
  const char* const shared = std::getenv("TURNPIKE_SHARED");
  const auto root = shared != nullptr
                        ? std::filesystem::path{shared}
                        : std::filesystem::path{TURNPIKE_SOURCE_DIR}.parent_path() / "shared";
  return root / "data" / "routing" / name;
}

struct Count {
  int ordered = 0;
  int to_order = 0;

  void take(const std::string& name, const std::string& expected, float hi, float lo) {
    INFO(name << ": " << hi << " against " << lo);
    if (expected == "equal") {
      CHECK(std::abs(hi - lo) <= 0.02F);  // every invariance must hold
      return;
    }
    ++to_order;
    if (hi > lo) {
      ++ordered;
    } else {
      std::cerr << "not ordered: " << name << ", " << hi << " against " << lo << '\n';
    }
  }
};

}  // namespace

TEST_CASE("the harder of two steps scores higher, whatever dialect the client speaks",
          "[routing][contrast]") {
  const auto pairs =
      rows_of(std::filesystem::path{TURNPIKE_SOURCE_DIR} / "tests/golden/contrast/pairs.jsonl");
  REQUIRE(pairs.size() >= 30);
  Count count;
  for (const auto dialect : all_dialects) {
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto& pair = pairs[i];
      const auto hi =
          render(dialect, pair["hi"], options_of(pair.value("hi_options", Json::object())));
      const auto lo =
          render(dialect, pair["lo"], options_of(pair.value("lo_options", Json::object())));
      const auto name = pair["kind"].get<std::string>() + " (" + std::to_string(i) + ") as " +
                        std::string{to_string(dialect)};
      count.take(name, pair["expect"], score_of(dialect, hi), score_of(dialect, lo));
    }
  }
  INFO(count.ordered << " of " << count.to_order << " ordered");
  CHECK(count.ordered * 100 >= count.to_order * 95);
}

TEST_CASE("the development pairs of the routing data are ordered", "[routing][contrast]") {
  const auto file = shared_file("contrast_dev.jsonl");
  if (!std::filesystem::exists(file)) {
    std::cerr << "SKIPPED: " << file.string() << " is not there; set TURNPIKE_SHARED\n";
    return;
  }
  const auto pairs = rows_of(file);
  REQUIRE(pairs.size() >= 50);
  Count count;
  for (const auto& pair : pairs) {
    count.take(pair["id"], pair["expect"], score_of(Dialect::openai_chat, pair["hi"].dump()),
               score_of(Dialect::openai_chat, pair["lo"].dump()));
  }
  INFO(count.ordered << " of " << count.to_order << " ordered");
  CHECK(count.ordered * 100 >= count.to_order * 95);
}

TEST_CASE("one loop has one score in all four dialects", "[routing][contrast]") {
  const auto pairs =
      rows_of(std::filesystem::path{TURNPIKE_SOURCE_DIR} / "tests/golden/contrast/pairs.jsonl");
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto options = options_of(pairs[i].value("hi_options", Json::object()));
    const float chat =
        score_of(Dialect::openai_chat, render(Dialect::openai_chat, pairs[i]["hi"], options));
    for (const auto dialect : all_dialects) {
      const float score = score_of(dialect, render(dialect, pairs[i]["hi"], options));
      INFO(pairs[i]["kind"] << " (" << i << ") as " << to_string(dialect) << ": " << score
                            << " against " << chat);
      CHECK(std::abs(score - chat) <= 0.02F);
    }
  }
}

}  // namespace turnpike::routing_test
