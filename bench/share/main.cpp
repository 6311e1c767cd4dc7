// Holds the frontier share against made-up streams and prints how well it did.
//
//   turnpike-share [--steps N] [--seed N] [--csv FILE]
//
// Exit code 1 if a stream was not held within what is promised for it. --csv writes the share of each 500 steps for
// plot.py.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <string_view>

#include "measures.hpp"
#include "scenarios.hpp"

namespace {

using namespace turnpike::bench;

struct Options {
  int steps = 40'000;
  std::uint64_t seed = 1;
  std::string csv;
};

std::optional<Options> read(int count, char** words) {
  Options options;
  for (int i = 1; i < count; i += 2) {
    const std::string_view name = words[i];
    if (i + 1 >= count) return std::nullopt;
    if (name == "--steps") {
      options.steps = std::atoi(words[i + 1]);
    } else if (name == "--seed") {
      options.seed = std::strtoull(words[i + 1], nullptr, 10);
    } else if (name == "--csv") {
      options.csv = words[i + 1];
    } else {
      return std::nullopt;
    }
  }
  if (options.steps < 1000) return std::nullopt;
  return options;
}

}  // namespace

int main(int count, char** words) {
  const auto options = read(count, words);
  if (!options) {
    fmt::print(stderr, "usage: turnpike-share [--steps N, at least 1000] [--seed N] [--csv FILE]\n");
    return 2;
  }
  fmt::print("seed {}; error of the share over every window of 500 steps of a key, in points\n\n", options->seed);
  fmt::print("{:<38}{:>8}{:>8}{:>8}{:>9}{:>7}{:>9}{:>14}{:>7}\n", "stream", "max", "mean", "beyond", "recovery", "bound", "", "flips in 50", "rank");
  fmt::print("{:<38}{:>8}{:>8}{:>8}{:>9}{:>7}{:>9}{:>14}{:>7}\n", "", "", "", "", "steps", "", "", "most / mean", "sent");
  std::ofstream csv;
  if (!options->csv.empty()) csv.open(options->csv);
  int missed = 0;
  for (const auto& promised : cases(options->steps)) {
    const auto& scenario = promised.scenario;
    const auto run = play(scenario, options->seed);
    const auto m = measure(scenario, run, promised.extra);
    const bool ok = kept(promised, m);
    missed += ok ? 0 : 1;
    fmt::print("{:<38}{:>8.2f}{:>8.2f}{:>7.2f}%{:>9}{:>7.1f}{:>9}{:>14}{:>7.3f}\n", scenario.name, m.error_max * 100, m.error_mean * 100,
               m.windows_beyond * 100, scenario.shifts.empty() ? std::string{"-"} : std::to_string(m.recovery), m.bound * 100,
               ok ? "ok" : "MISS", fmt::format("{} / {:.1f}", m.flips_max, m.flips_mean), m.rank_sent);
    if (!csv.is_open()) continue;
    csv << scenario.name << '\t' << scenario.target;
    const auto shares = running_share(run);
    for (std::size_t i = 0; i < shares.size(); i += 100) csv << '\t' << shares[i];
    csv << '\n';
  }
  fmt::print("\n{}\n", missed == 0 ? "every stream within what is promised for it" : fmt::format("{} missed", missed));
  return missed == 0 ? 0 : 1;
}
