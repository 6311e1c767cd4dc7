// Whether the shipped weights beat plain length on the development sets, and the trace block
// failing runs. The data is not part of the repository; without it these tests are skipped, loudly.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "../../bench/routing/pair_curve.hpp"
#include "classify/classifier.hpp"

namespace turnpike::classify {
namespace {

using routing::PairRow;

std::filesystem::path data_file(const std::string& name) {
  const char* const shared = std::getenv("TURNPIKE_SHARED");
  const auto root = shared != nullptr
                        ? std::filesystem::path{shared}
                        : std::filesystem::path{TURNPIKE_SOURCE_DIR}.parent_path() / "shared";
  return root / "data" / "routing" / name;
}

bool skipped(const std::filesystem::path& file) {
  if (std::filesystem::exists(file)) return false;
  std::cerr << "SKIPPED: " << file.string() << " is not there; set TURNPIKE_SHARED\n";
  return true;
}

struct Benchmark {
  std::string source;
  std::string weak;
  std::string strong;
};

const std::vector<Benchmark> benchmarks{
    {"mmlu", "mixtral-8x7b-instruct", "gpt-4-1106-preview"},
    {"mmlu_pro", "Mistral-7B-Instruct-v0.2", "Meta-Llama-3_1-70B-Instruct"},
    {"ulab", "mistral-7b-instruct-v0.3", "llama-3.1-nemotron-51b-instruct"},
    {"math_l5", "deepseek-v2.5-0908", "o1-preview-2024-09-12"},
};

/// Model and length scores of every benchmark, each benchmark weighing the same.
void read_rows(const std::filesystem::path& file, std::vector<PairRow>& model,
               std::vector<PairRow>& length) {
  std::map<std::string, std::vector<std::pair<PairRow, double>>> rows;
  std::ifstream in{file};
  std::string line;
  while (std::getline(in, line)) {
    const auto row = nlohmann::json::parse(line);
    for (const auto& benchmark : benchmarks) {
      const auto& outcomes = row["y"];
      if (row["src"] != benchmark.source || !outcomes.contains(benchmark.weak) ||
          !outcomes.contains(benchmark.strong) || outcomes[benchmark.weak].is_null() ||
          outcomes[benchmark.strong].is_null()) {
        continue;
      }
      RequestFacts facts;
      facts.question = row["text"].get<std::string>();
      const double score = Classifier::built_in().classify(facts).score;
      rows[benchmark.source].push_back(
          {{score, outcomes[benchmark.weak], outcomes[benchmark.strong], 1},
           static_cast<double>(facts.question.size())});
    }
  }
  for (auto& [source, list] : rows) {
    for (auto& [row, bytes] : list) {
      row.weight = 1.0 / static_cast<double>(list.size());
      model.push_back(row);
      row.score = bytes;
      length.push_back(row);
    }
  }
}

}  // namespace

TEST_CASE("the model recovers more of the gap than length alone", "[classify][quality]") {
  const auto file = data_file("dev.jsonl");
  if (skipped(file)) return;
  std::vector<PairRow> model;
  std::vector<PairRow> length;
  read_rows(file, model, length);
  REQUIRE(model.size() > 1500);
  const double area = routing::area_of_gap_recovered(model);
  const double baseline = routing::area_of_gap_recovered(length);
  const double auc = routing::auc_weak_fails(model);
  const double auc_baseline = routing::auc_weak_fails(length);
  WARN("APGR " << area << " (length alone " << baseline << "), AUC " << auc << " (" << auc_baseline
               << ")");
  CHECK(area > baseline + 0.03);
  CHECK(area > 0.61);
  CHECK(auc > auc_baseline + 0.05);
}

TEST_CASE("the trace block tells failing agent runs from others", "[classify][quality]") {
  const auto file = data_file("agent_steps_dev.csv");
  if (skipped(file)) return;
  std::ifstream in{file};
  std::string line;
  std::getline(in, line);
  std::map<std::string, std::size_t> column;
  std::istringstream header{line};
  for (std::string name; std::getline(header, name, ',');) column.emplace(name, column.size());
  std::vector<PairRow> rows;
  while (std::getline(in, line)) {
    std::vector<std::string> cells;
    std::istringstream stream{line};
    for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
    const auto value = [&](const std::string& name) {
      return std::stod(cells.at(column.at(name)));
    };
    const double steps = value("prefix_steps");
    if (steps < 5 || steps > 12) continue;
    RequestFacts facts;
    facts.question = "Finish the task.";
    facts.in_tool_loop = true;
    facts.trace.tool_results_since_human = static_cast<std::int32_t>(steps);
    facts.trace.errors_recent =
        static_cast<std::int32_t>(std::lround(value("nz_rate") * std::min(steps, 6.0)));
    facts.trace.error_streak = static_cast<std::int32_t>(value("streak"));
    facts.trace.error_words_recent =
        static_cast<std::int32_t>(std::lround(3 * std::expm1(value("err_last3"))));
    facts.trace.repeats_exact = static_cast<std::int32_t>(std::lround(value("rep") * steps));
    rows.push_back({Classifier::built_in().classify(facts).score, 1 - value("trial_failed"), 1, 1});
  }
  REQUIRE(rows.size() > 200);
  const double auc = routing::auc_weak_fails(rows);
  WARN("AUC of the trace block for a failed run, 5 to 12 steps in: " << auc);
  CHECK(auc > 0.56);
}

}  // namespace turnpike::classify
