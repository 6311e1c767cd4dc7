// kill -9 under load: a child hammers the ledger and tells every acknowledged reserve and
// settlement through a pipe; it is killed at a random instant; then the ledger is opened again and
// judged. Five kills in a row hit the same ledger.
//
//   ledger_crash [kills=20] [seed]
//
// Passes if after each kill: no acknowledged entry is missing or differs, no attempt is open, every
// attempt has one end, the journal verifies, and opening took at most 2 s.
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "account/ledger.hpp"
#include "account/store.hpp"

namespace {

using namespace turnpike;
using namespace turnpike::account;

constexpr int threads = 3;
constexpr int kills_per_ledger = 5;

/// What the child acknowledges: the reserve entry's seq, and the cost once it is settled. 24 bytes:
/// a pipe takes them whole or not at all.
struct Acknowledgement {
  std::int64_t entry = 0;
  std::int64_t settled = 0;  // 0: reserve() returned; 1: an end returned
  std::int64_t cost = 0;
};

PriceQuote quote() {
  PriceQuote result;
  result.price_id = "stress/model@2026-01-01";
  const Rates rates{270'000, 70'000, 270'000, 270'000, 1'100'000, 0};
  result.tiers[0] = {0, rates};
  result.ceiling = rates;
  return result;
}

LedgerOptions options_for(const std::filesystem::path& directory) {
  LedgerOptions options;
  options.directory = directory;
  options.front_segment_bytes = 32 * 1024;  // segments turn often
  options.checkpoint_entries = 2000;
  return options;
}

void acknowledge(int pipe, const Acknowledgement& done) {
  if (::write(pipe, &done, sizeof done) != sizeof done) ::_exit(2);
}

void hammer_once(Ledger& ledger, const PriceQuote& price, std::mt19937_64& random, int pipe) {
  Account account;
  account.key_id = fmt::format("k{}", random() % 5);
  account.org = "acme";
  account.team = random() % 2 == 0 ? "search" : "ads";
  ReserveRequest request;
  request.account = &account;
  request.decision_id = "01JDAAAAAAAAAAAAAAAAAAAAAA";
  request.provider = "stress";
  request.model = "model";
  request.quote = &price;
  request.prompt_tokens_bound = static_cast<std::int64_t>(random() % 4000);
  request.prompt_tokens_estimate = request.prompt_tokens_bound / 3;
  request.output_tokens_max = 1 + static_cast<std::int64_t>(random() % 4000);
  request.streaming = random() % 4 != 0;
  auto reservation = ledger.reserve(request);
  if (!reservation) return;
  acknowledge(pipe, {reservation->entry(), 0, 0});
  (void)reservation->dispatch();
  const auto now = Monotonic{
      std::chrono::nanoseconds{static_cast<std::int64_t>(random() % 1000) * 1'000'000'000}};
  for (std::int64_t seen = 0; seen < request.output_tokens_max / 2; seen += 100)
    reservation->observe(seen, now);
  Usage usage;
  usage.input_fresh = request.prompt_tokens_bound / 2;
  usage.output_text = static_cast<std::int64_t>(random() % 5000);
  Settled settled;
  switch (random() % 8) {
    case 0:
      settled = reservation->settle_void("not_connected");
      break;
    case 1:
      settled = reservation->settle_estimated(usage, "stream_truncated");
      break;
    case 2:
      settled = reservation->settle_at_reservation("timed_out");
      break;
    default:
      settled = reservation->settle_exact(usage);
      break;
  }
  acknowledge(pipe, {reservation->entry(), 1, settled.cost.nano()});
}

[[noreturn]] void child(const std::filesystem::path& directory, int pipe, std::uint64_t seed) {
  const SystemClock clock;
  SystemRandomness randomness;
  auto opened = Ledger::open(options_for(directory), clock, randomness);
  if (!opened) {
    fmt::print(stderr, "child cannot open: {}\n", opened.error().message);
    ::_exit(3);
  }
  BudgetSettings budget;
  budget.budget = "org:acme";
  budget.windows.push_back(
      {WindowKind::month, "Europe/Berlin", {}, parse_credits("100000").value()});
  budget.by = "stress";
  (void)(*opened)->set_budget(budget);
  acknowledge(pipe, {0, 0, 0});  // ready: the kill may come from now on
  const auto price = quote();
  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&, i] {
      std::mt19937_64 random{seed + static_cast<std::uint64_t>(i)};
      while (true) hammer_once(**opened, price, random, pipe);
    });
  }
  for (auto& worker : workers) worker.join();
  ::_exit(0);
}

struct Judged {
  std::int64_t reserves = 0;
  std::int64_t ends = 0;
  std::int64_t entries = 0;
  std::int64_t ready_us = 0;
  std::int64_t closed = 0;
  std::int64_t torn = 0;
};

int fail(const std::string& message) {
  fmt::print(stderr, "ledger_crash: FAILED: {}\n", message);
  return 1;
}

/// Runs a child, kills it, returns what it acknowledged.
std::optional<std::vector<Acknowledgement>> run_and_kill(const std::filesystem::path& directory,
                                                         std::mt19937_64& random) {
  int ends[2] = {-1, -1};
  if (::pipe(ends) != 0) return std::nullopt;
  const auto seed = random();
  const auto life_us = 2'000 + random() % 250'000;
  const auto pid = ::fork();
  if (pid < 0) return std::nullopt;
  if (pid == 0) {
    ::close(ends[0]);
    ::dup2(::open("/dev/null", O_WRONLY),
           STDERR_FILENO);  // alarms about implausible usage are part of the mix
    child(directory, ends[1], seed);
  }
  ::close(ends[1]);
  std::vector<Acknowledgement> acknowledged;
  Acknowledgement one;
  const auto next = [&] { return ::read(ends[0], &one, sizeof one) == sizeof one; };
  const bool ready = next();
  // The pipe must be emptied while the child lives, or it would stand still.
  std::thread killer{[&] {
    ::usleep(static_cast<useconds_t>(life_us));
    ::kill(pid, SIGKILL);
  }};
  while (ready && next()) acknowledged.push_back(one);
  killer.join();
  int status = 0;
  ::waitpid(pid, &status, 0);
  ::close(ends[0]);
  if (!ready || !WIFSIGNALED(status)) return std::nullopt;
  return acknowledged;
}

/// Ends as the journal has them: attempt -> total cost.
std::map<std::int64_t, std::int64_t> journal_ends(const std::filesystem::path& directory,
                                                  std::int64_t& entries) {
  std::map<std::int64_t, std::int64_t> costs;
  auto store = Store::open(directory, Store::Access::read);
  if (!store) return costs;
  for (std::int64_t next = 1;;) {
    const auto slice = store->read(next, 10'000);
    if (!slice || slice->empty()) break;
    for (const auto& entry : *slice) {
      if (is_end(entry.kind) || entry.kind == EntryKind::overrun)
        costs[entry.attempt] += entry.amount;
    }
    entries += static_cast<std::int64_t>(slice->size());
    next = slice->back().seq + 1;
  }
  return costs;
}

int judge(const std::filesystem::path& directory, const std::vector<Acknowledgement>& acknowledged,
          Judged& judged) {
  const auto before = verify(directory);  // as the dead process left it
  if (!before) return fail("cannot read after the kill: " + before.error().message);
  if (before->violation)
    return fail(fmt::format("after the kill, entry {}: {} {}", before->violation->entry,
                            before->violation->invariant, before->violation->message));
  const SystemClock clock;
  SystemRandomness randomness;
  {
    auto opened = Ledger::open(options_for(directory), clock, randomness);
    if (!opened) return fail("cannot open after the kill: " + opened.error().message);
    const auto& recovery = (*opened)->recovery();
    judged.ready_us = std::max<std::int64_t>(judged.ready_us, recovery.took.count());
    judged.closed += recovery.attempts_closed;
    judged.torn += recovery.torn_bytes;
    if (recovery.took > std::chrono::seconds{2}) return fail("not ready within 2 s");
    for (const auto& budget : (*opened)->budgets()) {
      for (const auto& window : budget.windows) {
        if (window.reserved != Credits{}) return fail("reserved is not 0 after the start");
      }
    }
    const auto live = (*opened)->verify();
    if (!live || !live->ok() || live->attempts_open != 0)
      return fail("the running ledger does not verify");
  }
  const auto report = verify(directory);
  if (!report || !report->ok()) return fail("does not verify after recovery");
  if (report->attempts_open != 0) return fail("attempts are open after recovery");
  std::int64_t entries = 0;
  const auto ends = journal_ends(directory, entries);
  judged.entries = std::max(judged.entries, entries);
  for (const auto& done : acknowledged) {
    const auto end = ends.find(done.entry);
    if (end == ends.end()) return fail(fmt::format("acknowledged attempt {} is lost", done.entry));
    if (done.settled == 0) {
      ++judged.reserves;
      continue;
    }
    ++judged.ends;
    if (end->second != done.cost) {
      return fail(fmt::format("attempt {} was acknowledged at {} and stands at {}", done.entry,
                              done.cost, end->second));
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const int kills = argc > 1 ? std::atoi(argv[1]) : 20;
  const std::uint64_t seed =
      argc > 2 ? std::strtoull(argv[2], nullptr, 10) : std::random_device{}();
  fmt::print("ledger_crash: {} kills, seed {}\n", kills, seed);
  std::fflush(stdout);
  auto pattern = (std::filesystem::temp_directory_path() / "turnpike-crash-XXXXXX").string();
  const std::filesystem::path directory = ::mkdtemp(pattern.data());
  std::mt19937_64 random{seed};
  Judged judged;
  for (int kill = 0; kill < kills; ++kill) {
    // The whole journal is judged after each kill: a fresh one now and then keeps that short.
    if (kill % kills_per_ledger == 0) std::filesystem::remove_all(directory);
    const auto acknowledged = run_and_kill(directory, random);
    const int failed =
        acknowledged ? judge(directory, *acknowledged, judged) : fail("the child did not come up");
    if (failed != 0) {
      fmt::print(stderr, "ledger_crash: kill {}, the ledger is kept in {}\n", kill + 1,
                 directory.string());
      return failed;
    }
  }
  fmt::print(
      "ledger_crash: ok. {} acknowledged reserves and {} ends, none lost or changed; up to {} entries in a journal; "
      "{} attempts closed at "
      "start, {} torn bytes dropped; slowest start {} ms\n",
      judged.reserves, judged.ends, judged.entries, judged.closed, judged.torn,
      judged.ready_us / 1000);
  std::filesystem::remove_all(directory);
  return 0;
}
