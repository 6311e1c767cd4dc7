// One replica of several, driven through the Ledger's own interface.
//
//   replica_driver run DIRECTORY CENTRAL NAME SEED ALLOW     until a line (or end) on standard
//   input; ALLOW: nano-credits, -1: deny replica_driver define DIRECTORY CENTRAL NAME
//   BUDGET=KIND:SECONDS:CREDITS... replica_driver trace DIRECTORY CENTRAL NAME COUNT         what
//   the reserving thread asks of libpq and the system
//
// The last line of standard output is a JSON object of figures. Leases are short, so that a stress
// run sees them end.
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "account/ledger.hpp"

namespace {
thread_local std::int64_t libpq_calls = 0;
std::atomic<std::int64_t> libpq_calls_of_all{0};
void count_call() {
  ++libpq_calls;
  ++libpq_calls_of_all;
}
}  // namespace

// The linker turns each call of libpq's sending and receiving functions into one of these (--wrap),
// whoever makes it.
extern "C" {
int __real_PQsendQueryParams(PGconn*, const char*, int, const Oid*, const char* const*, const int*,
                             const int*, int);
int __wrap_PQsendQueryParams(PGconn* to, const char* sql, int count, const Oid* types,
                             const char* const* values, const int* lengths, const int* formats,
                             int format) {
  count_call();
  return __real_PQsendQueryParams(to, sql, count, types, values, lengths, formats, format);
}
int __real_PQsendQuery(PGconn*, const char*);
int __wrap_PQsendQuery(PGconn* to, const char* sql) {
  count_call();
  return __real_PQsendQuery(to, sql);
}
int __real_PQflush(PGconn*);
int __wrap_PQflush(PGconn* to) {
  count_call();
  return __real_PQflush(to);
}
int __real_PQconsumeInput(PGconn*);
int __wrap_PQconsumeInput(PGconn* from) {
  count_call();
  return __real_PQconsumeInput(from);
}
PGresult* __real_PQgetResult(PGconn*);
PGresult* __wrap_PQgetResult(PGconn* from) {
  count_call();
  return __real_PQgetResult(from);
}
}

namespace {

using namespace turnpike;
using namespace turnpike::account;
using namespace std::chrono_literals;

const SystemClock the_clock;
SystemRandomness randomness;

PriceQuote quote() {
  PriceQuote result;
  result.price_id = "stress/model@2026-01-01";
  const Rates rates{1'000'000, 1'000'000, 1'000'000,
                    1'000'000, 1'000'000, 0};  // 1,000 nano-credits a token
  result.tiers[0] = {0, rates};
  result.ceiling = rates;
  return result;
}
const PriceQuote price = quote();

LedgerOptions options_for(const char* directory, const char* central, const char* name) {
  LedgerOptions options;
  options.directory = directory;
  options.pepper = Secret{"one for all of them"};
  options.checkpoint_entries = 5000;
  options.replica.emplace();
  auto& replica = *options.replica;
  replica.central = Secret{central};
  replica.name = name;
  replica.lease_length = 3s;
  replica.stop_before = 500ms;
  replica.reclaim_after = 1s;
  replica.idle = 2s;
  replica.patience = 1s;
  replica.block_max = Credits::from_nano(200'000'000);
  return options;
}

std::unique_ptr<Ledger> opened(LedgerOptions options) {
  auto ledger = Ledger::open(std::move(options), the_clock, randomness);
  if (ledger) return *std::move(ledger);
  fmt::print(stderr, "{}: {}\n", ledger.error().code, ledger.error().message);
  std::exit(1);
}

struct Figures {
  std::mutex mutex;
  std::map<std::string, std::int64_t> ends;
  std::int64_t slowest_us = 0;  // reserve(), the waiting between its tries not counted
};

Result<Reservation> reserve(Ledger& ledger, ReserveRequest request, std::int64_t& slowest_us) {
  for (int tries = 0;; ++tries) {
    request.may_wait = tries < 25;
    const auto begun = the_clock.monotonic();
    auto reservation = ledger.reserve(request);
    const auto took =
        std::chrono::duration_cast<std::chrono::microseconds>(the_clock.monotonic() - begun)
            .count();
    slowest_us = std::max<std::int64_t>(slowest_us, took);
    if (reservation || reservation.error().code != "lease_awaited") return reservation;
    std::this_thread::sleep_for(20ms);
  }
}

ReserveRequest request_for(const Account& account, std::int64_t tokens) {
  ReserveRequest request;
  request.account = &account;
  request.decision_id = "01JDAAAAAAAAAAAAAAAAAAAAAA";
  request.provider = "stress";
  request.model = "model";
  request.quote = &price;
  request.prompt_tokens_bound = tokens;
  request.prompt_tokens_estimate = tokens / 2;
  request.client_gave_max = true;
  request.streaming = true;
  return request;
}

void spend(Ledger& ledger, std::uint64_t seed, const std::atomic<bool>& stop, Figures& figures) {
  std::mt19937_64 random{seed};
  const auto below = [&](std::int64_t n) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
  };
  std::map<std::string, std::int64_t> ends;
  std::int64_t slowest = 0;
  while (!stop) {
    Account account;
    account.key_id = fmt::format("k{}", below(4));
    account.org = "acme";
    account.team = "search";
    const auto tokens = 1 + below(4000);
    auto reservation = reserve(ledger, request_for(account, tokens), slowest);
    if (!reservation) {
      ++ends[reservation.error().code];
      std::this_thread::sleep_for(std::chrono::milliseconds{5 + below(30)});
      continue;
    }
    (void)reservation->dispatch();
    std::this_thread::sleep_for(
        std::chrono::milliseconds{below(50) == 0 ? below(1500) : below(12)});
    Usage usage;
    usage.input_fresh = below(tokens + 1);
    if (below(10) == 0) {
      reservation->settle_void("stress");
    } else {
      reservation->settle_exact(usage);
    }
    ++ends["served"];
  }
  const std::lock_guard lock{figures.mutex};
  for (const auto& [code, count] : ends) figures.ends[code] += count;
  figures.slowest_us = std::max(figures.slowest_us, slowest);
}

int run(char** arguments) {
  auto options = options_for(arguments[0], arguments[1], arguments[2]);
  const auto seed = std::strtoull(arguments[3], nullptr, 10);
  const auto allow = std::strtoll(arguments[4], nullptr, 10);
  if (allow >= 0) options.replica->allow_when_down = Credits::from_nano(allow);
  auto ledger = opened(std::move(options));
  fmt::print("ready\n");
  std::fflush(stdout);
  Figures figures;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] { spend(*ledger, seed + i, stop, figures); });
  }
  char byte = 0;
  while (::read(0, &byte, 1) > 0 && byte != '\n') {
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  const auto replica = ledger->replica();
  ledger.reset();
  std::string text = fmt::format(
      "{{\"slowest_us\": {}, \"awaited\": {}, \"exchanges\": {}, \"superseded\": {}",
      figures.slowest_us, replica.awaited, replica.exchanges, replica.superseded ? 1 : 0);
  for (const auto& [code, count] : figures.ends) text += fmt::format(", \"{}\": {}", code, count);
  fmt::print("{}}}\n", text);
  return 0;
}

int define(int count, char** arguments) {
  auto ledger = opened(options_for(arguments[0], arguments[1], arguments[2]));
  for (int i = 3; i < count; ++i) {
    const std::string text = arguments[i];
    const auto equals = text.rfind('=');
    const auto first = text.find(':', equals);
    const auto second = text.find(':', first + 1);
    BudgetSettings settings;
    settings.budget = text.substr(0, equals);
    WindowRule rule;
    rule.kind = parse_window_kind(text.substr(equals + 1, first - equals - 1)).value();
    rule.duration = std::chrono::seconds{std::stoll(text.substr(first + 1, second - first - 1))};
    rule.limit = parse_credits(text.substr(second + 1)).value();
    settings.windows.push_back(rule);
    settings.by = "driver";
    if (const auto set = ledger->set_budget(settings); !set) {
      fmt::print(stderr, "{}\n", set.error().message);
      return 1;
    }
  }
  return 0;
}

std::int64_t waits() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

int trace(char** arguments) {
  auto options = options_for(arguments[0], arguments[1], arguments[2]);
  options.replica->block_max =
      Credits::from_nano(1'000'000'000);  // refilled several times on the way
  auto ledger = opened(std::move(options));
  const auto count = std::strtoll(arguments[3], nullptr, 10);
  Account account;
  account.key_id = "k0";
  account.org = "acme";
  account.team = "search";
  std::int64_t slowest = 0;
  // Once before: opens the windows and takes the first lease.
  auto first = reserve(*ledger, request_for(account, 1000), slowest);
  if (!first) {
    fmt::print(stderr, "{}\n", first.error().message);
    return 1;
  }
  first->settle_void("trace");
  std::int64_t done = 0;
  std::int64_t awaited = 0;
  const auto calls = libpq_calls;
  const auto calls_of_all = libpq_calls_of_all.load();
  const auto waited = waits();
  const auto begun = the_clock.monotonic();
  for (std::int64_t i = 0; i < count; ++i) {
    auto request = request_for(account, 10);
    request.may_wait = true;
    auto reservation = ledger->reserve(request);
    if (!reservation) {
      ++awaited;
      continue;
    }
    Usage usage;
    usage.input_fresh = 10;
    reservation->settle_exact(usage);
    ++done;
  }
  const auto took =
      std::chrono::duration_cast<std::chrono::nanoseconds>(the_clock.monotonic() - begun).count();
  fmt::print(
      "{{\"pairs\": {}, \"awaited\": {}, \"libpq_calls_of_this_thread\": {}, "
      "\"libpq_calls_of_the_keeper\": {}, "
      "\"voluntary_waits_of_this_thread\": {}, \"ns_per_pair\": {}}}\n",
      done, awaited, libpq_calls - calls, libpq_calls_of_all - calls_of_all, waits() - waited,
      took / std::max<std::int64_t>(1, done));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string mode = count > 1 ? arguments[1] : "";
  if (mode == "run" && count == 7) return run(arguments + 2);
  if (mode == "define" && count > 5) return define(count - 2, arguments + 2);
  if (mode == "trace" && count == 6) return trace(arguments + 2);
  fmt::print(stderr, "replica_driver run|define|trace DIRECTORY CENTRAL NAME ...\n");
  return 2;
}
