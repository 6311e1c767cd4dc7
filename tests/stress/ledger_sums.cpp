// The ledger's sums against integers of its own, at length:
//
//   ledger_sums settlements [count=1000000] [seed]   B13: random prices with tiers, random usage
//   ledger_sums rolling     [count=1000000] [seed]   B11: rolling windows against brute force
//   ledger_sums ends        [count=100000]  [seed]   B3: every way an attempt can end, at random
//   ledger_sums affordable  [count=100000]  [seed]   B16: the affordable maximum, to the token
//
// Prints the seed. Source of the cases: reliability specification, "Test cases".
#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <thread>
#include <vector>

#include "account/store.hpp"
#include "price_oracle.hpp"
#include "stress.hpp"

namespace {

using namespace turnpike;
using namespace turnpike::account;
using namespace turnpike::account::stress;

// ---- B13

/// What the journal charged to each attempt, overruns included.
std::vector<std::int64_t> journal_costs(const std::filesystem::path& directory,
                                        std::int64_t entries) {
  std::vector<std::int64_t> costs(static_cast<std::size_t>(entries) + 1, -1);
  auto store = Store::open(directory, Store::Access::read);
  if (!store) fail(store.error().message);
  for (std::int64_t next = 1;;) {
    const auto slice = store->read(next, 10'000);
    if (!slice || slice->empty()) break;
    for (const auto& entry : *slice) {
      auto& cost = costs.at(static_cast<std::size_t>(entry.attempt));
      if (is_end(entry.kind)) cost = entry.amount;
      if (entry.kind == EntryKind::overrun) cost += entry.amount;
    }
    next = slice->back().seq + 1;
  }
  return costs;
}

void settlements(std::int64_t count, std::mt19937_64& dice) {
  const Directory directory;
  World world{directory.path()};
  world.set_budget("org:acme", {{WindowKind::lifetime, "UTC", {}, credits("9000000000")}});
  std::vector<PriceQuote> quotes;
  for (int i = 0; i < 300; ++i) quotes.push_back(random_quote(dice, i));
  std::vector<std::pair<std::int64_t, std::int64_t>> wanted;  // reserve entry, nano-credits
  Wide sum = 0;
  std::int64_t overruns = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto account = account_of(static_cast<int>(i % 14));
    const auto& quote = quotes[static_cast<std::size_t>(draw(dice, std::ssize(quotes)))];
    const auto usage = random_usage(dice);
    auto request = request_for(account, quote);
    // Sometimes less than what is used: an overrun, which is believed up to four reservations.
    const bool short_bound = draw(dice, 5) == 0;
    request.prompt_tokens_bound = usage.input() - (short_bound ? usage.input() / 4 : 0);
    request.output_tokens_max = std::max<std::int64_t>(1, usage.output());
    request.items_max = usage.items;
    auto reservation = world.ledger->reserve(request);
    if (!reservation) fail(reservation.error().message);
    (void)reservation->dispatch();
    const auto cost = oracle_cost(quote, usage);
    const auto settled = reservation->settle_exact(usage);
    if (settled.settlement != Settlement::settle_exact || Wide{settled.cost.nano()} != cost) {
      fail(fmt::format("settlement {} of {} costs {}, the oracle says {}", i, quote.price_id,
                       settled.cost.nano(), static_cast<std::int64_t>(cost)));
    }
    overruns += settled.overrun > Credits{} ? 1 : 0;
    wanted.emplace_back(reservation->entry(), static_cast<std::int64_t>(cost));
    sum += cost;
    if (i % 8192 == 0) world.ledger->flush();
  }
  const auto state = world.budget("org:acme").windows.at(0);
  check(Wide{state.settled.nano()} == sum, "the balance is not the oracle's sum");
  check(state.reserved == Credits{}, "reserved is not 0");
  const auto entries = world.ledger->figures().entries;
  const auto report = world.close();
  check(Wide{report.settled.nano()} == sum, "the journal's sum is not the oracle's");
  const auto costs = journal_costs(directory.path(), entries);
  for (const auto& [entry, cost] : wanted) {
    if (costs[static_cast<std::size_t>(entry)] != cost)
      fail(fmt::format("the journal has another amount for attempt {}", entry));
  }
  fmt::print(
      "ledger_sums: B13 ok, {} settlements equal one by one, in balance and in journal; sum "
      "{}; {} of them overran\n",
      count, to_string(state.settled), overruns);
}

// ---- B11

/// Charges at their instants, and two sums that follow the clock: of what must and what may count.
class RollingOracle {
 public:
  explicit RollingOracle(std::chrono::seconds duration) : duration_(duration) {}

  std::size_t add(Instant at, std::int64_t amount) {
    charges_.push_back({at, amount});
    least_ += amount;
    most_ += amount;
    return charges_.size() - 1;
  }
  void change(std::size_t place, std::int64_t amount) {
    auto& charge = charges_[place];
    const auto by = amount - charge.amount;
    charge.amount = amount;
    if (place >= first_least_) least_ += by;
    if (place >= first_most_) most_ += by;
  }
  /// Younger than the duration must count; older than 61/60 of it must not.
  void move_to(Instant now) {
    while (first_least_ < charges_.size() && charges_[first_least_].at <= now - duration_)
      least_ -= charges_[first_least_++].amount;
    while (first_most_ < charges_.size() &&
           charges_[first_most_].at < now - duration_ - duration_ / 60)
      most_ -= charges_[first_most_++].amount;
  }
  void judge(const WindowState& window, std::int64_t event) const {
    const auto counted = (window.settled + window.reserved).nano();
    if (counted >= least_ && counted <= most_) return;
    fail(fmt::format("event {}: the window of {} s counts {}, at least {} and at most {} is right",
                     event, duration_.count(), counted, least_, most_));
  }

 private:
  struct Charge {
    Instant at;
    std::int64_t amount;
  };
  std::chrono::seconds duration_;
  std::vector<Charge> charges_;
  std::size_t first_least_ = 0;
  std::size_t first_most_ = 0;
  std::int64_t least_ = 0;
  std::int64_t most_ = 0;
};

std::chrono::microseconds random_pause(std::mt19937_64& dice) {
  switch (draw(dice, 1000)) {
    case 0:
      return std::chrono::seconds{draw(dice, 90'000)};
    case 1:
    case 2:
      return std::chrono::seconds{draw(dice, 4000)};
    default:
      return draw(dice, 4) == 0 ? std::chrono::microseconds{0}
                                : std::chrono::microseconds{draw(dice, 3'000'000)};
  }
}

void rolling(std::int64_t count, std::mt19937_64& dice) {
  const Directory directory;
  World world{directory.path()};
  const std::vector<std::chrono::seconds> durations = {
      std::chrono::minutes{1}, std::chrono::minutes{10}, std::chrono::hours{1},
      std::chrono::hours{24}};
  std::vector<WindowRule> rules;
  std::vector<RollingOracle> oracles;
  for (const auto duration : durations) {
    rules.push_back({WindowKind::rolling, "UTC", duration, credits("1000000")});
    oracles.emplace_back(duration);
  }
  world.set_budget("org:acme", rules);
  PriceQuote quote;
  quote.price_id = "stress/plain@2026-01-01";
  quote.tiers[0].rates = {1'000'000, 1'000'000, 1'000'000, 1'000'000, 2'000'000, 0};
  quote.ceiling = quote.tiers[0].rates;
  const auto account = account_of(0);
  struct Pending {
    Reservation reservation;
    std::size_t place;
  };
  std::deque<Pending> pending;
  for (std::int64_t event = 0; event < count; ++event) {
    world.clock.advance(random_pause(dice));
    for (auto& oracle : oracles) oracle.move_to(world.clock.now());
    if (pending.size() < 40 && draw(dice, 2) == 0) {
      auto request = request_for(account, quote);
      request.prompt_tokens_bound = draw(dice, 50);
      auto reservation = world.ledger->reserve(request);
      if (!reservation) fail(reservation.error().message);
      (void)reservation->dispatch();
      std::size_t place = 0;
      for (auto& oracle : oracles)
        place = oracle.add(world.clock.now(), reservation->held().nano());
      pending.push_back({*std::move(reservation), place});
    } else if (!pending.empty()) {  // counts where it was admitted, however long ago
      auto& oldest = pending.front();
      Usage usage;
      usage.input_fresh = oldest.reservation.held().nano() * draw(dice, 3) / 2 / 1000;
      const auto cost = oldest.reservation.settle_exact(usage).cost.nano();
      for (auto& oracle : oracles) oracle.change(oldest.place, cost);
      pending.pop_front();
    }
    const auto state = world.budget("org:acme");
    for (std::size_t i = 0; i < oracles.size(); ++i) oracles[i].judge(state.windows.at(i), event);
    if (event % 8192 == 0) world.ledger->flush();
  }
  pending.clear();
  world.close();
  fmt::print(
      "ledger_sums: B11 ok, {} events, after each of them four windows of a minute to a day "
      "within their bounds\n",
      count);
}

// ---- B3

/// Ends one attempt in some way of the specification's settlement table; what it must cost.
std::int64_t end_somehow(Reservation reservation, const ReserveRequest& request,
                         std::mt19937_64& dice) {
  const auto held = reservation.held().nano();
  const auto& quote = *request.quote;
  Usage usage;
  usage.input_fresh = draw(dice, request.prompt_tokens_bound + 1);
  usage.output_text = draw(dice, request.output_tokens_max + 1);
  const auto priced = [&](const Usage& what) {
    return static_cast<std::int64_t>(oracle_cost(quote, what));
  };
  const auto way = draw(dice, 10);
  if (way != 0) (void)reservation.dispatch();
  Usage progress;
  progress.input_fresh = request.prompt_tokens_estimate;
  if (draw(dice, 2) == 0 && request.streaming) {
    progress.output_text = draw(dice, request.output_tokens_max);
    reservation.observe(progress.output_text, Monotonic{std::chrono::seconds{draw(dice, 1000)}});
  }
  switch (way) {
    case 0:  // never sent: the destructor
      return 0;
    case 1:
      reservation.settle_void("connect_failed");
      return 0;
    case 2:
      reservation.settle_void("upstream_refused");
      return 0;
    case 3:
      reservation.settle_estimated(usage, "usage_missing");
      return priced(usage);
    case 4:
      reservation.settle_estimated(usage, "client_gone");
      return priced(usage);
    case 5:
      reservation.settle_at_reservation("timeout_total");
      return held;
    case 6: {
      Usage absurd = usage;
      absurd.input_fresh = -1;
      reservation.settle_exact(absurd);
      return held;
    }
    case 7: {  // above the reservation, and believed
      Usage more = usage;
      more.output_text = request.output_tokens_max + request.output_tokens_max / 2;
      more.input_fresh = request.prompt_tokens_bound;
      reservation.settle_exact(more);
      return priced(more);
    }
    case 8:  // dropped after dispatch: a failure of our own
      return request.streaming ? priced(progress) : held;
    default: {
      auto moved = std::move(reservation);
      moved.settle_exact(usage);
      moved.settle_exact(usage);  // told twice, counted once
      return priced(usage);
    }
  }
}

void ends(std::int64_t count, std::mt19937_64& dice) {
  const Directory directory;
  World world{directory.path()};
  const auto limit = credits("100000000");
  world.set_budget("org:acme", {{WindowKind::lifetime, "UTC", {}, limit},
                                {WindowKind::rolling, "UTC", std::chrono::hours{1}, limit},
                                {WindowKind::month, "Asia/Kathmandu", {}, limit}});
  for (const auto* name : {"team:acme/search", "team:acme/ads", "key:k1"})
    world.set_budget(name, {{WindowKind::day, "UTC", {}, limit}});
  constexpr int threads = 4;
  std::array<std::int64_t, threads> sums{};
  std::vector<std::thread> workers;
  for (int worker = 0; worker < threads; ++worker) {
    workers.emplace_back([&, worker, seed = dice()] {
      std::mt19937_64 own{seed};
      std::vector<PriceQuote> quotes;
      for (int i = 0; i < 8; ++i) {
        auto quote = random_quote(own, worker * 8 + i);
        for (auto& tier : quote.tiers) tier.rates = quote.ceiling;  // bounds are then exact
        quotes.push_back(quote);
      }
      for (std::int64_t i = worker; i < count; i += threads) {
        const auto account = account_of(static_cast<int>(i % 14));
        auto request = request_for(account, quotes[static_cast<std::size_t>(draw(own, 8))]);
        request.prompt_tokens_bound = 1 + draw(own, 20'000);
        request.prompt_tokens_estimate = request.prompt_tokens_bound / 3;
        request.output_tokens_max = 1 + draw(own, 20'000);
        request.streaming = draw(own, 2) == 0;
        auto reservation = world.ledger->reserve(request);
        if (!reservation) fail(reservation.error().message);
        sums[static_cast<std::size_t>(worker)] +=
            end_somehow(*std::move(reservation), request, own);
        if (i % 1024 == 0) world.clock.advance(std::chrono::seconds{draw(own, 400)});
      }
    });
  }
  for (auto& worker : workers) worker.join();
  std::int64_t sum = 0;
  for (const auto part : sums) sum += part;
  const auto figures = world.ledger->figures();
  check(figures.attempts_open == 0 && figures.reserved == Credits{}, "attempts are open at rest");
  check(figures.conflicts == 0, "an end was refused");
  for (const auto& budget : world.ledger->budgets()) {
    check(budget.open_attempts == 0, "open attempts at rest");
    for (const auto& window : budget.windows)
      check(window.reserved == Credits{}, "reserved is not 0");
  }
  const auto settled = world.budget("org:acme").windows.at(0).settled;
  if (settled != Credits::from_nano(sum))
    fail(fmt::format("settled {}, the oracle says {}", settled.nano(), sum));
  check(world.close().attempts == count, "attempts are missing in the journal");
  fmt::print("ledger_sums: B3 ok, {} attempts ended in 10 ways by {} threads, reserved 0, sum {}\n",
             count, threads, to_string(settled));
}

// ---- B16

void affordable(std::int64_t count, std::mt19937_64& dice) {
  const Directory directory;
  World world{directory.path()};
  std::int64_t capped = 0;
  std::int64_t whole = 0;
  std::int64_t refused = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto quote = random_quote(dice, static_cast<int>(i % 1000));
    auto account = account_of(0);
    auto request = request_for(account, quote);
    request.client_gave_max = false;
    request.prompt_tokens_bound = draw(dice, 100'000);
    request.output_tokens_max = 1 + draw(dice, 64'000);
    request.choices = 1 + draw(dice, 3);
    const auto& most = quote.ceiling;
    const auto dearest =
        std::max({most.input, most.cache_read, most.cache_write_5m, most.cache_write_1h});
    const auto per_token = Wide{most.output} * request.choices;
    auto fixed = Wide{request.prompt_tokens_bound} * dearest + most.per_request;
    for (std::size_t item = 0; item < most.items.size(); ++item) {
      request.items_max[item] = draw(dice, 3) == 0 ? draw(dice, 6) : 0;
      fixed += Wide{request.items_max[item]} * most.items[item];
    }
    // Room for some share of the model's maximum, often for none or all of it.
    const auto room = static_cast<std::int64_t>(
        (fixed + per_token * request.output_tokens_max * draw(dice, 130) / 100) / 1000);
    account.request_cost_max = Credits::from_nano(room);
    auto wanted = request.output_tokens_max;
    const bool fits = fixed + per_token * wanted <= Wide{room} * 1000;
    if (!fits) {
      wanted = per_token == 0 || fixed > Wide{room} * 1000
                   ? -1
                   : static_cast<std::int64_t>((Wide{room} * 1000 - fixed) / per_token);
    }
    const auto floor = std::min(world.options.output_tokens_floor, request.output_tokens_max);
    auto reservation = world.ledger->reserve(request);
    if (!fits && wanted < floor) {
      check(!reservation, "admitted with less than is worth sending");
      ++refused;
      continue;
    }
    if (!reservation) fail(fmt::format("request {}: {}", i, reservation.error().message));
    check(reservation->held().nano() <= room, "held more than there is room");
    const auto cap = reservation->output_tokens_cap();
    check(cap.has_value() != fits, "capped although it fits, or not capped although it does not");
    if (!fits && *cap != wanted)
      fail(fmt::format("request {}: capped at {}, the oracle says {}", i, *cap, wanted));
    ++(fits ? whole : capped);
    reservation->settle_void("test");
    if (i % 4096 == 0) world.ledger->flush();
  }
  check(count < 1000 || (capped > count / 10 && whole > count / 20 && refused > 0),
        "the mix is lopsided");
  world.close();
  fmt::print(
      "ledger_sums: B16 ok, {} requests: {} capped to the oracle's very token, {} whole, {} "
      "refused\n",
      count, capped, whole, refused);
}

}  // namespace

int main(int argc, char** argv) {
  struct Case {
    std::string_view name;
    std::int64_t count;
    void (*run)(std::int64_t, std::mt19937_64&);
  };
  constexpr std::array cases = {Case{"settlements", 1'000'000, settlements},
                                Case{"rolling", 1'000'000, rolling}, Case{"ends", 100'000, ends},
                                Case{"affordable", 100'000, affordable}};
  const auto chosen = std::find_if(
      cases.begin(), cases.end(), [&](const Case& one) { return argc > 1 && one.name == argv[1]; });
  if (chosen == cases.end()) {
    fmt::print(stderr, "ledger_sums settlements|rolling|ends|affordable [count] [seed]\n");
    return 2;
  }
  const std::int64_t count = argc > 2 ? std::atoll(argv[2]) : chosen->count;
  const auto seed = seed_from(argc, argv, 3);
  fmt::print("ledger_sums: {} {}, seed {}\n", chosen->name, count, seed);
  std::fflush(stdout);
  std::mt19937_64 dice{seed};
  chosen->run(count, dice);
  return 0;
}
