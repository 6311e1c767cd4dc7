// Scores JSON lines from standard input: what `turnpike classify --jsonl` does, without the rest of
// the gateway. Usage: turnpike-classify [WEIGHTS]; without a file the built-in weights are used.
#include <iostream>

#include "classify/jsonl.hpp"
#include "dialect/facts_line.hpp"

int main(int argc, char** argv) {
  using namespace turnpike;
  std::ios::sync_with_stdio(false);
  auto classifier = Result<classify::Classifier>{classify::Classifier::built_in()};
  if (argc > 1) classifier = classify::Classifier::load(std::filesystem::path{argv[1]});
  if (!classifier) {
    std::cerr << classifier.error().message << '\n';
    return 2;
  }
  SystemClock clock;
  const auto done =
      classify::classify_jsonl(std::cin, std::cout, *classifier, dialect::read_facts_line, clock);
  if (!done) {
    std::cerr << done.error().message << '\n';
    return 1;
  }
  return 0;
}
