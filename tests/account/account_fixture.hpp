// What the account tests share: a clock that stands still, an empty directory, a price, and short
// ways to ask.
#pragma once

#include <catch2/catch.hpp>

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "account/ledger.hpp"

namespace turnpike::account::testing {

class FakeClock final : public Clock {
 public:
  explicit FakeClock(std::string_view start = "2026-11-22T12:00:00Z") { set(start); }
  [[nodiscard]] Instant now() const override {
    return Instant{std::chrono::microseconds{now_.load() + wall_offset_.load()}};
  }
  [[nodiscard]] Monotonic monotonic() const override {
    return Monotonic{
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::microseconds{now_.load()})};
  }
  void set(std::string_view text) { now_ = parse_instant(text).value().time_since_epoch().count(); }
  void advance(std::chrono::microseconds by) { now_ += by.count(); }
  /// The wall clock alone: somebody sets it.
  void jump(std::chrono::microseconds by) { wall_offset_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_{0};
  std::atomic<std::int64_t> wall_offset_{0};
};

class SeededRandomness final : public Randomness {
 public:
  std::uint64_t next() override { return engine_(); }

 private:
  std::mt19937_64 engine_{1};
};

class TempDirectory {
 public:
  TempDirectory() {
    auto pattern = (std::filesystem::temp_directory_path() / "turnpike-account-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline Rates rates(std::int64_t input, std::int64_t output) {
  return {input, input / 10, input, 2 * input, output, 0};
}

/// Input 1 credit, output 2 credits per million tokens (1,000 and 2,000 nano-credits per token).
inline PriceQuote plain_quote() {
  PriceQuote quote;
  quote.price_id = "acme/plain@2026-01-01";
  quote.tiers[0] = {0, rates(1'000'000, 2'000'000)};
  quote.ceiling = rates(1'000'000, 2'000'000);
  quote.ceiling.cache_write_1h = 1'000'000;  // nothing dearer than fresh input
  return quote;
}

/// A ledger in a directory of its own, which a test may close and open again.
struct Fixture {
  TempDirectory directory;
  FakeClock clock;
  SeededRandomness randomness;
  LedgerOptions options;
  std::unique_ptr<Ledger> ledger;
  Account account;
  PriceQuote quote = plain_quote();

  Fixture() {
    options.directory = directory.path();
    account.key_id = "k1";
    account.org = "acme";
    account.team = "search";
    account.user = "alice";
    open();
  }
  void open() {
    auto opened = Ledger::open(options, clock, randomness);
    INFO((opened ? std::string{} : opened.error().message));
    REQUIRE(opened);
    ledger = *std::move(opened);
  }
  void reopen() {
    ledger.reset();
    open();
  }
  void set_limit(const std::string& budget, std::string_view credits,
                 WindowKind kind = WindowKind::month, const std::string& zone = "UTC") {
    BudgetSettings settings;
    settings.budget = budget;
    settings.windows.push_back({kind, zone, {}, parse_credits(credits).value()});
    settings.by = "test";
    REQUIRE(ledger->set_budget(settings));
  }
  /// Costs at most (prompt + 2 x output) x 1,000 nano-credits.
  ReserveRequest request(std::int64_t prompt = 1000, std::int64_t output = 1000) const {
    ReserveRequest request;
    request.account = &account;
    request.decision_id = "01JDAAAAAAAAAAAAAAAAAAAAAA";
    request.provider = "acme";
    request.model = "plain";
    request.quote = &quote;
    request.prompt_tokens_bound = prompt;
    request.prompt_tokens_estimate = prompt / 2;
    request.output_tokens_max = output;
    request.client_gave_max = true;
    request.streaming = true;
    return request;
  }
  Reservation reserve(std::int64_t prompt = 1000, std::int64_t output = 1000) {
    auto reservation = ledger->reserve(request(prompt, output));
    INFO((reservation ? std::string{} : reservation.error().message));
    REQUIRE(reservation);
    return *std::move(reservation);
  }
  [[nodiscard]] WindowState window(std::string_view budget, std::size_t index = 0) const {
    for (const auto& state : ledger->budgets()) {
      if (state.budget == budget) return state.windows.at(index);
    }
    FAIL("no budget " << budget);
    return {};
  }
  /// Closes the ledger and checks its journal.
  VerifyReport verify_closed() {
    ledger.reset();
    auto report = verify(options.directory);
    INFO((report ? std::string{} : report.error().message));
    REQUIRE(report);
    INFO((report->violation ? report->violation->invariant + ": " + report->violation->message
                            : std::string{}));
    REQUIRE(report->ok());
    return *report;
  }
};

inline Usage used(std::int64_t input, std::int64_t output) {
  Usage usage;
  usage.input_fresh = input;
  usage.output_text = output;
  return usage;
}

inline Credits nano(std::int64_t amount) { return Credits::from_nano(amount); }

}  // namespace turnpike::account::testing
