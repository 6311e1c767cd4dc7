// Limits under load, for an examiner that folds the journal itself (tests/stress/ledger_limits.py):
//
//   ledger_limits tree    DIRECTORY [requests=2000]  [seed]   B2: org, teams and keys at once
//   ledger_limits changes DIRECTORY [requests=40000] [seed]   B14: limits lowered, raised, lifted,
//   set
//
// The ledger is left in DIRECTORY, closed. Prints the seed and what was admitted and refused.
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "stress.hpp"

namespace {

using namespace turnpike;
using namespace turnpike::account;
using namespace turnpike::account::stress;

constexpr int threads = 8;
constexpr std::array<const char*, 4> keys = {"a", "b", "c", "d"};

struct Tally {
  std::atomic<std::int64_t> served{0};
  std::atomic<std::int64_t> exhausted{0};
  std::atomic<std::int64_t> contended{0};
};

/// 1,000 nano-credits an input token, 2,000 an output token.
PriceQuote plain_quote() {
  PriceQuote quote;
  quote.price_id = "stress/plain@2026-01-01";
  quote.tiers[0].rates = {1'000'000, 1'000'000, 1'000'000, 1'000'000, 2'000'000, 0};
  quote.ceiling = quote.tiers[0].rates;
  return quote;
}

Account account_of(int number) {
  Account account;
  account.key_id = keys.at(static_cast<std::size_t>(number % 4));
  account.org = "acme";
  account.team = number % 4 < 2 ? "search" : "ads";
  account.user = number % 2 == 0 ? "alice" : "";
  return account;
}

ReserveRequest request_of(const Account& account, const PriceQuote& quote) {
  ReserveRequest request;
  request.account = &account;
  request.decision_id = "01JDAAAAAAAAAAAAAAAAAAAAAA";
  request.provider = "stress";
  request.model = "model";
  request.quote = &quote;
  request.prompt_tokens_bound = 1000;
  request.output_tokens_max = 1000;
  request.client_gave_max = true;
  return request;
}

void count_refusal(Tally& tally, const Error& error) {
  if (error.code == "budget_contended") {
    ++tally.contended;
  } else if (error.code == "budget_exhausted") {
    ++tally.exhausted;
  } else {
    fail("refused with " + error.code);
  }
}

Usage full_usage() {
  Usage usage;
  usage.input_fresh = 1000;
  usage.output_text = 1000;
  return usage;
}

/// Each thread holds up to five attempts at once and gives some back.
void work(Ledger& ledger, int worker, std::int64_t requests, std::uint64_t seed, Tally& tally) {
  std::mt19937_64 dice{seed};
  const auto quote = plain_quote();
  const auto account = account_of(worker);
  std::vector<Reservation> held;
  for (std::int64_t i = worker; i < requests; i += threads) {
    // So that changes of limits and other threads' holds come in between.
    if (draw(dice, 8) == 0) std::this_thread::sleep_for(std::chrono::microseconds{50});
    auto reservation = ledger.reserve(request_of(account, quote));
    if (!reservation) {
      count_refusal(tally, reservation.error());
      if (draw(dice, 4) == 0) held.clear();  // never settled: booked at the reservation
      continue;
    }
    (void)reservation->dispatch();
    ++tally.served;
    held.push_back(*std::move(reservation));
    if (held.size() < 5 && draw(dice, 3) != 0) continue;
    for (auto& one : held) one.settle_exact(full_usage());
    held.clear();
  }
  for (auto& one : held) one.settle_exact(full_usage());
}

void run_threads(Ledger& ledger, std::int64_t requests, std::mt19937_64& dice, Tally& tally) {
  std::vector<std::thread> workers;
  for (int worker = 0; worker < threads; ++worker) {
    workers.emplace_back(
        [&, worker, seed = dice()] { work(ledger, worker, requests, seed, tally); });
  }
  for (auto& worker : workers) worker.join();
}

std::vector<WindowRule> lifetime(std::int64_t requests) {
  return {{WindowKind::lifetime, "UTC", {}, Credits::from_nano(requests * 3'000'000)}};
}

/// Room for 100 in the org, 60 in each team, 30 in each of four keys.
void tree(World& world, std::int64_t requests, std::mt19937_64& dice, Tally& tally) {
  world.set_budget("org:acme", lifetime(100));
  world.set_budget("team:acme/search", lifetime(60));
  world.set_budget("team:acme/ads", lifetime(60));
  for (const auto* key : keys) world.set_budget(fmt::format("key:{}", key), lifetime(30));
  run_threads(*world.ledger, requests, dice, tally);
}

/// A random set of windows for one budget, seldom none at all.
std::vector<WindowRule> random_rules(std::mt19937_64& dice, std::int64_t requests) {
  std::vector<WindowRule> rules;
  const auto limit = [&] { return Credits::from_nano(draw(dice, requests) * 3'000'000); };
  if (draw(dice, 4) != 0) rules.push_back({WindowKind::lifetime, "UTC", {}, limit()});
  if (draw(dice, 3) == 0) rules.push_back({WindowKind::day, "Australia/Lord_Howe", {}, limit()});
  if (draw(dice, 3) == 0) rules.push_back({WindowKind::hour, "Asia/Kathmandu", {}, limit()});
  if (draw(dice, 2) == 0)
    rules.push_back({WindowKind::rolling, "UTC", std::chrono::minutes{10}, limit()});
  return rules;
}

void changes(World& world, std::int64_t requests, std::mt19937_64& dice, Tally& tally) {
  std::atomic<bool> done{false};
  std::int64_t sets = 0;
  std::thread operator_thread{[&, seed = dice()] {
    std::mt19937_64 own{seed};
    constexpr std::array names = {"org:acme", "team:acme/search", "team:acme/ads", "key:a",
                                  "key:c",    "user:acme/alice"};
    while (!done) {
      world.set_budget(names.at(static_cast<std::size_t>(draw(own, std::ssize(names)))),
                       random_rules(own, requests));
      ++sets;
      world.clock.advance(std::chrono::seconds{draw(own, 120)});
      std::this_thread::sleep_for(std::chrono::microseconds{200});
    }
  }};
  run_threads(*world.ledger, requests, dice, tally);
  done = true;
  operator_thread.join();
  for (const auto& budget : world.ledger->budgets()) {
    for (const auto& window : budget.windows)
      check(window.reserved == Credits{}, "reserved is not 0");
  }
  fmt::print("ledger_limits: {} changes of limits\n", sets);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (argc < 3 || (what != "tree" && what != "changes")) {
    fmt::print(stderr, "ledger_limits tree|changes DIRECTORY [requests] [seed]\n");
    return 2;
  }
  const std::int64_t requests = argc > 3 ? std::atoll(argv[3]) : what == "tree" ? 2000 : 40'000;
  const auto seed = seed_from(argc, argv, 4);
  fmt::print("ledger_limits: {} {}, seed {}\n", what, requests, seed);
  std::fflush(stdout);
  std::mt19937_64 dice{seed};
  World world{argv[2]};
  Tally tally;
  (what == "tree" ? tree : changes)(world, requests, dice, tally);
  check(tally.served + tally.exhausted + tally.contended == requests,
        "requests are unaccounted for");
  world.close();
  fmt::print("ledger_limits: {} served, {} refused for good, {} refused for now\n",
             tally.served.load(), tally.exhausted.load(), tally.contended.load());
  return 0;
}
