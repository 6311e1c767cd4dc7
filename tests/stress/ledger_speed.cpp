// How fast the ledger is: reserve + settle pairs per second by 1 to N threads, and CPU per pair on
// the callers and on the writer thread, with `intent: process` and `disk`, all in one run. The last
// column sets a row's rate against `process` with one thread. For reading, not for failing; it
// fails only if the sums are wrong. What that is of a whole request: bench/ledger/ledger_cost.py.
//
//   ledger_speed [requests=200000] [threads=8] [directory]
//
// `directory`: where the ledgers are made (the temporary directory); a tmpfs shows what the disk
// costs. With `disk` each caller waits for an fsync, so that only as many requests are made as take
// some seconds.
#include <time.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "stress.hpp"

namespace {

using namespace turnpike;
using namespace turnpike::account;
using namespace turnpike::account::stress;

constexpr std::int64_t input_tokens = 1200;
constexpr std::int64_t output_tokens = 300;
constexpr std::int64_t pair_nano = input_tokens * 270 + output_tokens * 1100;

/// CLOCK_THREAD_CPUTIME_ID or CLOCK_PROCESS_CPUTIME_ID, in microseconds.
double cpu_us(clockid_t whose) {
  timespec time{};
  ::clock_gettime(whose, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}

struct Load {
  Account account;
  PriceQuote quote;
  Usage usage;

  Load() {
    account.key_id = "k1";
    account.org = "acme";
    account.team = "search";
    quote.price_id = "provider/model@2026-01-01";
    quote.tiers[0].rates = {270'000, 70'000, 270'000, 270'000, 1'100'000, 0};
    quote.ceiling = quote.tiers[0].rates;
    usage.input_fresh = input_tokens;
    usage.output_text = output_tokens;
  }
  [[nodiscard]] ReserveRequest request() const {
    ReserveRequest request;
    request.account = &account;
    request.decision_id = "01JDAAAAAAAAAAAAAAAAAAAAAA";
    request.provider = "provider";
    request.model = "model";
    request.quote = &quote;
    request.prompt_tokens_bound = 5000;
    request.output_tokens_max = 4000;
    return request;
  }
};

struct Figures {
  double seconds = 0;
  double callers_us = 0;  // CPU, over all calling threads
  double others_us = 0;   // CPU of the rest of the process: the writer
};

/// Runs `pair` so often, shared out among the threads; `flush` is part of the time and of the CPU.
Figures measure(std::int64_t requests, int threads, const std::function<void()>& pair,
                const std::function<void()>& flush) {
  const SystemClock clock;
  std::atomic<double> callers{0};
  const auto begun = clock.monotonic();
  const auto process = cpu_us(CLOCK_PROCESS_CPUTIME_ID);
  std::vector<std::thread> workers;
  for (int worker = 0; worker < threads; ++worker) {
    workers.emplace_back([&, worker] {
      const auto own = cpu_us(CLOCK_THREAD_CPUTIME_ID);
      for (std::int64_t i = worker; i < requests; i += threads) pair();
      callers += cpu_us(CLOCK_THREAD_CPUTIME_ID) - own;
    });
  }
  for (auto& worker : workers) worker.join();
  flush();
  const std::chrono::duration<double> took = clock.monotonic() - begun;
  const auto all = cpu_us(CLOCK_PROCESS_CPUTIME_ID) - process;
  return {took.count(), callers, all - callers};
}

Figures with_ledger(Intent intent, std::int64_t requests, int threads,
                    const std::filesystem::path& parent) {
  auto pattern = (parent / "turnpike-speed-XXXXXX").string();
  LedgerOptions options;
  options.directory = ::mkdtemp(pattern.data());
  options.intent = intent;
  const SystemClock clock;
  SystemRandomness randomness;
  Figures figures;
  {
    auto ledger = Ledger::open(options, clock, randomness);
    if (!ledger) fail(ledger.error().message);
    BudgetSettings budget;
    budget.by = "speed";
    for (const auto* name : {"org:acme", "team:acme/search", "key:k1"}) {
      budget.budget = name;
      budget.windows = {{WindowKind::month, "UTC", {}, credits("1000000")}};
      check((*ledger)->set_budget(budget).has_value(), "cannot set a budget");
    }
    const Load load;
    const auto pair = [&] {
      auto reservation = (*ledger)->reserve(load.request());
      if (!reservation) fail(reservation.error().message);
      (void)reservation->dispatch();
      reservation->settle_exact(load.usage);
    };
    figures = measure(requests, threads, pair, [&] { (*ledger)->flush(); });
  }
  const auto report = verify(options.directory);
  std::filesystem::remove_all(options.directory);
  check(report && report->ok() && report->settled == Credits::from_nano(requests * pair_nano),
        "the journal is wrong");
  return figures;
}

double rate(const Figures& figures, std::int64_t requests) {
  return static_cast<double>(requests) / figures.seconds;
}

void print_row(std::string_view name, int threads, std::int64_t requests, const Figures& figures,
               double rate_of_one) {
  const auto count = static_cast<double>(requests);
  fmt::print("{:<18}{:>8}{:>10}{:>12.0f}{:>16.2f}{:>16.2f}{:>12.3f}\n", name, threads, requests,
             rate(figures, requests), figures.callers_us / count, figures.others_us / count,
             rate(figures, requests) / rate_of_one);
  std::fflush(stdout);
}

/// With `disk` a pair takes an fsync shared by the threads; this many keep a row to seconds.
std::int64_t disk_requests(std::int64_t requests, int threads) {
  return std::min<std::int64_t>(requests, 500 + 500 * threads);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t requests = argc > 1 ? std::atoll(argv[1]) : 200'000;
  const int threads_max = argc > 2 ? std::atoi(argv[2]) : 8;
  const std::filesystem::path parent = argc > 3 ? argv[3] : std::filesystem::temp_directory_path();
  fmt::print("ledger_speed: reserve + settle on three budgets, in {}\n", parent.string());
  fmt::print("{:<18}{:>8}{:>10}{:>12}{:>16}{:>16}{:>12}\n", "", "threads", "pairs", "pairs/s",
             "caller CPU us", "writer CPU us", "of rate 1");
  double rate_of_one = 0;
  for (int threads = 1; threads <= threads_max; threads *= 2) {
    const auto process = with_ledger(Intent::process, requests, threads, parent);
    if (threads == 1) rate_of_one = rate(process, requests);
    print_row("intent: process", threads, requests, process, rate_of_one);
    const auto fewer = disk_requests(requests, threads);
    print_row("intent: disk", threads, fewer, with_ledger(Intent::disk, fewer, threads, parent),
              rate_of_one);
  }
  return 0;
}
