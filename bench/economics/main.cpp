// turnpike-economics [--root DIR] [--shared DIR] [--seed N] [--scale X] [--tsv FILE] [--check]
//
// Prints what each way of routing costs in each scenario. --check: exit code 1 unless turnpike costs no more than per-step
// routing in every one, with about as few hard steps on the bulk tier.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cmath>
#include <fstream>
#include <functional>
#include <iostream>

#include "play.hpp"
#include "scenarios.hpp"

namespace {

using namespace turnpike;
using namespace turnpike::economics;

struct Options {
  std::filesystem::path root = ".";
  std::filesystem::path shared = "../shared";
  std::string tsv;
  std::uint64_t seed = 1;
  double scale = 1;
  bool check = false;
};

struct Way {
  const char* name;
  std::function<std::unique_ptr<Router>(const Setting&)> make;
};

const std::array<Way, 5>& ways() {
  static const std::array<Way, 5> all{{{"always frontier", always_frontier},
                                       {"always bulk", always_bulk},
                                       {"random 30 %", random_share},
                                       {"per step", per_step},
                                       {"turnpike", turnpike_itself}}};
  return all;
}

double percent(std::int64_t part, std::int64_t whole) { return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole); }
double credits(Credits amount) { return static_cast<double>(amount.nano()) * 1e-9; }

/// The files of providers/ and the invented model of this folder.
class Providers {
 public:
  explicit Providers(const std::filesystem::path& root) {
    std::filesystem::create_directories(folder_);
    for (const auto& file : std::filesystem::directory_iterator{root / "providers"}) {
      if (file.path().extension() == ".toml") std::filesystem::copy_file(file.path(), folder_ / file.path().filename());
    }
    std::filesystem::copy_file(root / "bench/economics/window.toml", folder_ / "window.toml");
  }
  ~Providers() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Providers(const Providers&) = delete;
  Providers& operator=(const Providers&) = delete;
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / fmt::format("turnpike-economics-{}", ::getpid());
};

std::vector<Sums> play_all(const Scenario& scenario, const Options& options, const Providers& providers, const Measured& measured,
                           const Prompts& prompts) {
  const auto catalog = catalog::Catalog::load(providers.folder());
  if (!catalog) throw std::runtime_error{to_string(catalog.error().front())};
  const auto policy = policy::Policy::load(options.root / scenario.policy, *catalog, {.now = scenario.start});
  if (!policy) throw std::runtime_error{to_string(policy.error().front())};
  Work work = scenario.work;
  work.conversations = std::max(10, static_cast<int>(std::lround(work.conversations * options.scale)));
  const auto loops = traffic(work, measured, scenario.start, options.seed);
  std::vector<Sums> all;
  for (const auto& way : ways()) {
    World world{*catalog, measured, options.seed};
    const auto router = way.make({*catalog, *policy, options.seed});
    all.push_back(play(loops, prompts, world, *router));
  }
  return all;
}

void print(const Scenario& scenario, const std::vector<Sums>& all) {
  fmt::print("\n{}: {}\n", scenario.name, scenario.about);
  fmt::print("  {:<16} {:>9} {:>8} {:>8} {:>8} {:>9} {:>9} {:>8}\n", "", "credits", "steps", "read %", "switch %", "frontier %", "under %", "failed %");
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Sums& s = all[i];
    fmt::print("  {:<16} {:>9.2f} {:>8} {:>8.1f} {:>8.1f} {:>9.1f} {:>9.1f} {:>8.1f}\n", ways()[i].name, credits(s.cost), s.steps,
               percent(s.read_tokens, s.input_tokens), percent(s.switches, s.later_steps), percent(s.frontier_steps, s.steps),
               percent(s.under_routed, s.hard_steps), percent(s.turns_failed, s.turns));
  }
}

/// Two points, and three standard deviations of the difference of two shares. Drawn scores speak of the turn and of nothing
/// else, so that a chat's second turn is worth a switch more often than its score can say: ten points there.
double allowed_points(const Sums& a, const Sums& b, bool recorded) {
  const auto variance = [](const Sums& s) {
    const double share = percent(s.under_routed, s.hard_steps) / 100;
    return share * (1 - share) / static_cast<double>(std::max<std::int64_t>(1, s.turns));
  };
  return (recorded ? 2 : 10) + 300 * std::sqrt(variance(a) + variance(b));
}

bool holds(const std::vector<Sums>& all, bool recorded) {
  const Sums& stepwise = all[3];
  const Sums& own = all[4];
  const double more = percent(own.under_routed, own.hard_steps) - percent(stepwise.under_routed, stepwise.hard_steps);
  const bool cheap = own.cost <= stepwise.cost;
  const bool good = more <= allowed_points(own, stepwise, recorded);
  const auto against = [&](const Sums& other) { return 100 * (credits(own.cost) / credits(other.cost) - 1); };
  fmt::print("  turnpike costs {:+.0f} % against per step, {:+.0f} % against the frontier model alone; {:+.1f} points of hard steps on bulk{}{}{}\n",
             against(stepwise), against(all[0]), more, cheap ? "" : "  TOO DEAR", good ? "" : "  TOO WEAK",
             own.cost > all[0].cost ? "  (one cached frontier model is cheaper)" : "");
  return cheap && good;
}

void write(std::ofstream& out, const Scenario& scenario, const std::vector<Sums>& all) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Sums& s = all[i];
    out << fmt::format("{}\t{}\t{:.4f}\t{:.2f}\t{:.2f}\t{:.2f}\t{:.2f}\t{:.2f}\n", scenario.name, ways()[i].name, credits(s.cost),
                       percent(s.read_tokens, s.input_tokens), percent(s.switches, s.later_steps), percent(s.frontier_steps, s.steps),
                       percent(s.under_routed, s.hard_steps), percent(s.turns_failed, s.turns));
  }
}

Options read(int argc, char** argv) {
  Options options;
  if (const char* shared = std::getenv("TURNPIKE_SHARED")) options.shared = shared;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--check") {
      options.check = true;
      continue;
    }
    if (i + 1 >= argc) throw std::runtime_error{"unknown flag or missing value: " + flag};
    const std::string value = argv[++i];
    if (flag == "--root") options.root = value;
    else if (flag == "--shared") options.shared = value;
    else if (flag == "--tsv") options.tsv = value;
    else if (flag == "--seed") options.seed = std::stoull(value);
    else if (flag == "--scale") options.scale = std::stod(value);
    else throw std::runtime_error{"unknown flag: " + flag};
  }
  return options;
}

int run(const Options& options) {
  const auto sizes = measured(options.shared);
  const Prompts prompts{options.shared};
  fmt::print("seed {}; sizes and loops {}; questions {}\n", options.seed,
             sizes.from_files ? "from ../shared/data" : "as measured on 2026-11-22 (no ../shared)",
             prompts.recorded() ? fmt::format("{} recorded ones, scored by the classifier", prompts.size())
                                : "SKIPPED: none recorded (TURNPIKE_SHARED); scores are drawn with AUC 0.70");
  const Providers providers{options.root};
  std::ofstream tsv;
  if (!options.tsv.empty()) tsv.open(options.tsv);
  bool all_hold = true;
  for (const auto& scenario : scenarios()) {
    const auto all = play_all(scenario, options, providers, sizes, prompts);
    print(scenario, all);
    all_hold = holds(all, prompts.recorded()) && all_hold;
    if (tsv.is_open()) write(tsv, scenario, all);
  }
  if (options.check && !all_hold) fmt::print("\nFAILED with seed {}\n", options.seed);
  return options.check && !all_hold ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(read(argc, argv));
  } catch (const std::exception& failed) {
    std::cerr << "turnpike-economics: " << failed.what() << '\n';
    return 2;
  }
}
