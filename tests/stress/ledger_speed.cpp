// What the ledger costs: nanoseconds per reserve + settle pair on the caller's thread, microseconds
// of the writer thread's CPU per request (reserve, settlement, decision record). For reading, not
// for failing; it fails only if the sums are wrong.
//
//   ledger_speed [requests=200000]
#include <sys/resource.h>
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <fmt/format.h>

#include "account/ledger.hpp"

namespace {

using namespace turnpike;
using namespace turnpike::account;

double cpu_us(int who) {
  rusage usage{};
  ::getrusage(who, &usage);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

Exchange sample_exchange(const Account& account, const PriceQuote& quote) {
  Exchange exchange;
  exchange.account = std::make_shared<Account>(account);
  exchange.facts.model = "auto";
  exchange.decision.policy = "seventy-thirty";
  exchange.decision.tier = "bulk";
  for (const auto* model : {"model-small", "model-large"}) {
    Candidate candidate;
    candidate.provider = "provider";
    candidate.model = model;
    candidate.quote = quote;
    exchange.decision.candidates.push_back(candidate);
  }
  exchange.decision.why.push_back({Reason::below_threshold, "0.31 < 0.62"});
  Attempt attempt;
  attempt.target = "provider/model-small";
  exchange.attempts.push_back(attempt);
  return exchange;
}

struct Figures {
  double pair_wall_ns = 0;
  double pair_cpu_ns = 0;
  double record_cpu_ns = 0;
  double writer_us = 0;
};

Figures measure(Ledger& ledger, const Clock& clock, std::int64_t requests, bool with_records) {
  Account account;
  account.key_id = "k1";
  account.org = "acme";
  account.team = "search";
  PriceQuote quote;
  quote.price_id = "provider/model@2026-01-01";
  quote.tiers[0].rates = {270'000, 70'000, 270'000, 270'000, 1'100'000, 0};
  quote.ceiling = quote.tiers[0].rates;
  SystemRandomness randomness;
  auto exchange = sample_exchange(account, quote);
  ReserveRequest request;
  request.account = &account;
  request.provider = "provider";
  request.model = "model";
  request.quote = &quote;
  request.prompt_tokens_bound = 5000;
  request.output_tokens_max = 4000;
  Usage usage;
  usage.input_fresh = 1200;
  usage.output_text = 300;

  const double process_before = cpu_us(RUSAGE_SELF);
  const double thread_before = cpu_us(RUSAGE_THREAD);
  double record_cpu = 0;
  std::chrono::nanoseconds wall{0};
  for (std::int64_t i = 0; i < requests; ++i) {
    exchange.decision_id = make_id(clock.now(), randomness);
    request.decision_id = exchange.decision_id;
    const auto begun = clock.monotonic();
    auto reservation = ledger.reserve(request);
    if (reservation) {
      (void)reservation->dispatch();
      reservation->settle_exact(usage);
    }
    wall += clock.monotonic() - begun;
    if (!with_records) continue;
    const auto recording = clock.monotonic();
    ledger.record(exchange);
    record_cpu += static_cast<double>((clock.monotonic() - recording).count());
    if (i % 2000 == 0) ledger.flush();  // the queue is bounded; this loop is faster than any client
  }
  const double caller_us = cpu_us(RUSAGE_THREAD) - thread_before;
  ledger.flush();
  const double all_us = cpu_us(RUSAGE_SELF) - process_before;
  const auto count = static_cast<double>(requests);
  return {static_cast<double>(wall.count()) / count, caller_us * 1000 / count, record_cpu / count,
          (all_us - caller_us) / count};
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t requests = argc > 1 ? std::atoll(argv[1]) : 200'000;
  const SystemClock clock;
  SystemRandomness randomness;
  for (const bool with_records : {false, true}) {
    auto pattern = (std::filesystem::temp_directory_path() / "turnpike-speed-XXXXXX").string();
    LedgerOptions options;
    options.directory = ::mkdtemp(pattern.data());
    Credits settled;
    {
      auto opened = Ledger::open(options, clock, randomness);
      if (!opened) {
        fmt::print(stderr, "ledger_speed: {}\n", opened.error().message);
        return 1;
      }
      BudgetSettings budget;
      budget.budget = "org:acme";
      budget.windows.push_back({WindowKind::month, "UTC", {}, parse_credits("1000000").value()});
      budget.by = "speed";
      (void)(*opened)->set_budget(budget);
      const auto figures = measure(**opened, clock, requests, with_records);
      settled = (*opened)->budgets().at(0).windows.at(0).settled;
      fmt::print(
          "ledger_speed: {} requests {}: reserve + settle {:.0f} ns wall; caller {:.0f} ns CPU in "
          "all; record() "
          "{:.0f} ns; writer {:.2f} us CPU per request; {} records dropped\n",
          requests, with_records ? "with decision records" : "without records",
          figures.pair_wall_ns, figures.pair_cpu_ns, figures.record_cpu_ns, figures.writer_us,
          (*opened)->figures().records_dropped);
    }
    const auto report = verify(options.directory);
    std::filesystem::remove_all(options.directory);
    const auto expected = Credits::from_nano(requests * (1200 * 270 + 300 * 1100));
    if (!report || !report->ok() || report->settled != expected || settled != expected) {
      fmt::print(stderr, "ledger_speed: expected {}, balance {}, journal {}\n", to_string(expected),
                 to_string(settled), report ? to_string(report->settled) : report.error().message);
      if (report && report->violation) fmt::print(stderr, "{}\n", report->violation->message);
      return 1;
    }
  }
  return 0;
}
