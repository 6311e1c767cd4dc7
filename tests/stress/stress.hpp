// What the ledger's stress programs share: arguments, a directory of their own, a clock that is
// told, and an account to charge.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "account/ledger.hpp"
#include "support/fake_clock.hpp"

namespace turnpike::account::stress {

__extension__ using Wide = __int128;  // nano-credits times tokens do not fit into 64 bits

/// A claim that does not hold. Not an exception: the first one ends the program, as a test must.
[[noreturn]] inline void fail(const std::string& message) {
  fmt::print(stderr, "FAILED: {}\n", message);
  std::fflush(nullptr);
  std::_Exit(1);
}

inline void check(bool truth, std::string_view message) {
  if (!truth) fail(std::string{message});
}

inline std::uint64_t seed_from(int argc, char** argv, int place) {
  return argc > place ? std::strtoull(argv[place], nullptr, 10) : std::random_device{}();
}

/// Uniform in [0, below).
inline std::int64_t draw(std::mt19937_64& dice, std::int64_t below) {
  return static_cast<std::int64_t>(dice() % static_cast<std::uint64_t>(below));
}

class Directory {
 public:
  Directory() {
    auto pattern = (std::filesystem::temp_directory_path() / "turnpike-stress-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A ledger at a clock of its own. close() before its journal is read by others.
class World {
 public:
  explicit World(std::filesystem::path directory) {
    options.directory = std::move(directory);
    auto opened = Ledger::open(options, clock, randomness);
    if (!opened) fail(opened.error().message);
    ledger = *std::move(opened);
  }

  void set_budget(const std::string& name, std::vector<WindowRule> windows) {
    BudgetSettings settings;
    settings.budget = name;
    settings.windows = std::move(windows);
    settings.by = "stress";
    const auto set = ledger->set_budget(settings);
    if (!set) fail(set.error().message);
  }
  [[nodiscard]] BudgetState budget(std::string_view name) const {
    for (auto& state : ledger->budgets()) {
      if (state.budget == name) return std::move(state);
    }
    fail(fmt::format("no budget {}", name));
  }
  /// Ends the ledger and lets the verifier judge its journal.
  VerifyReport close() {
    ledger.reset();
    auto report = verify(options.directory);
    if (!report) fail(report.error().message);
    if (report->violation) {
      fail(fmt::format("entry {}: {} {}", report->violation->entry, report->violation->invariant,
                       report->violation->message));
    }
    check(report->attempts_open == 0, "attempts are open at rest");
    return *std::move(report);
  }

  test::FakeClock clock;
  test::SeededRandomness randomness{1};
  LedgerOptions options;
  std::unique_ptr<Ledger> ledger;
};

inline Credits credits(std::string_view decimal) { return parse_credits(decimal).value(); }

}  // namespace turnpike::account::stress
