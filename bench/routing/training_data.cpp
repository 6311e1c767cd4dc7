#include "training_data.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string_view>

#include "dialect/facts.hpp"
#include "wire/json_document.hpp"

namespace turnpike::routing {
namespace {

[[noreturn]] void give_up(const std::filesystem::path& file, std::string_view why) {
  std::cerr << file.string() << ": " << why << '\n';
  std::exit(2);
}

/// The same text that a request's question would be, and its features.
void scan_into(Example& example, std::string_view text) {
  static std::array<std::uint32_t, classify::ngrams_max> buckets;
  example.facts = dialect::facts_of_text(text);
  example.scan = classify::scan_text(example.facts.question, buckets);
  example.ngrams.assign(buckets.begin(), buckets.begin() + example.scan.ngrams);
}

template <typename Read>
std::vector<Example> read_lines(const std::filesystem::path& file, Read read) {
  std::ifstream in{file};
  if (!in) give_up(file, "cannot be read");
  std::vector<Example> examples;
  std::string line;
  while (std::getline(in, line)) {
    line.reserve(line.size() + wire::json_slack);
    const auto document = wire::JsonDocument::parse(line);
    if (!document) give_up(file, document.error().message);
    Example example;
    read(document->root(), example);
    examples.push_back(std::move(example));
  }
  return examples;
}

}  // namespace

std::vector<Example> read_outcomes(const std::filesystem::path& file) {
  return read_lines(file, [](const simdjson::dom::element& row, Example& example) {
    example.source = std::string{std::string_view{row["src"]}};
    example.subject = std::string{std::string_view{row["sub"]}};
    for (const auto& [model, outcome] : simdjson::dom::object{row["y"]}) {
      double value = 0;
      if (outcome.get(value) == simdjson::SUCCESS)
        example.outcomes.emplace_back(std::string{model}, value);
    }
    scan_into(example, std::string_view{row["text"]});
  });
}

std::vector<Example> read_tiers(const std::filesystem::path& file) {
  return read_lines(file, [](const simdjson::dom::element& row, Example& example) {
    const std::string_view tier{row["tier"]};
    example.source = "tiers";
    example.target = tier == "SIMPLE"    ? 0.15
                     : tier == "MEDIUM"  ? 0.4
                     : tier == "COMPLEX" ? 0.7
                                         : 0.85;
    scan_into(example, std::string_view{row["text"]});
  });
}

Ends ends_of(const Example& example) {
  const std::size_t count = example.outcomes.size();
  if (count < 2) return {};
  const std::size_t third = std::max<std::size_t>(count / 3, 1);
  Ends ends;
  for (std::size_t i = 0; i < third; ++i) {
    ends.weak += example.outcomes[i].second / static_cast<double>(third);
    ends.strong += example.outcomes[count - 1 - i].second / static_cast<double>(third);
  }
  return ends;
}

}  // namespace turnpike::routing
