// Exchanges with a random value in every member that a record holds, and what they come to, flat.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

#include "record/describe.hpp"
#include "record/words.hpp"

namespace turnpike::record {

/// Fills members; two of three that may be absent are not.
class Fill {
 public:
  explicit Fill(std::uint64_t seed) : random_(seed) {}

  template <typename T>
  void always(std::string_view /*name*/, T& value) {
    put(value);
  }
  template <typename T>
  void maybe(std::string_view /*name*/, T& value) {
    if (pick(3) != 0) put(value);
  }
  template <typename T>
  void maybe(std::string_view /*name*/, T& value, const T& standard) {
    value = standard;
    if (pick(3) != 0) put(value);
  }
  template <typename T>
  void left_out(T& /*value*/) {}
  template <typename Members>
  void group(std::string_view /*name*/, const Members& members) {
    members(*this);
  }
  void since(std::string_view /*name*/, Monotonic& begin, Monotonic& moment) {
    begin = Monotonic{std::chrono::hours{1}};
    if (pick(2) != 0) moment = begin + std::chrono::microseconds{pick(1'000'000'000)};
  }
  template <typename Make>
  void derived(std::string_view /*name*/, const Make& /*make*/) {}

  void put(Exchange& exchange) { describe(*this, exchange); }

 private:
  std::int64_t pick(std::int64_t below) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(below));
  }

  void put(bool& flag) { flag = pick(2) == 0; }
  template <std::integral Integer>
    requires(!std::same_as<Integer, bool>)
  void put(Integer& number) {
    // Small ones, and any bits.
    number = static_cast<Integer>(pick(2) == 0 ? static_cast<std::uint64_t>(pick(1000)) : random_());
  }
  void put(float& number) {
    number = std::uniform_real_distribution<float>{0, 1}(random_);
    if (pick(4) == 0) number = std::bit_cast<float>(static_cast<std::uint32_t>(random_()));
    if (!std::isfinite(number)) number = -0.0F;
  }
  void put(std::string& text) {
    static const std::vector<std::string> parts{"a", "deepseek/flash", "\"", "\\", "\n", "\t\x01",
                                                "é", "漢", "😀", " ", "{}", "\\u00e9", std::string(1, '\0')};
    text.clear();
    for (auto i = pick(5); i >= 0; --i) text += parts[static_cast<std::size_t>(pick(std::ssize(parts)))];
  }
  void put(std::string_view& word) {
    static constexpr std::array<std::string_view, 3> words{"length", "error streak", "\"odd\""};
    word = words[static_cast<std::size_t>(pick(std::ssize(words)))];
  }
  template <typename Enum>
    requires std::is_enum_v<Enum>
  void put(Enum& value) {
    std::int64_t values = 1;
    while (values < static_cast<std::int64_t>(values_of<Enum>()) &&
           word_of(static_cast<Enum>(values)) != "unknown")
      ++values;
    value = static_cast<Enum>(pick(values));
  }
  void put(Credits& amount) { amount = Credits::from_nano(static_cast<std::int64_t>(random_() >> 2U) - (1LL << 61)); }
  void put(Instant& instant) { instant = Instant{std::chrono::microseconds{pick(4'000'000'000'000'000)}}; }
  void put(std::shared_ptr<const Account>& account) {
    auto made = std::make_shared<Account>();
    describe(*this, *made);
    account = made;
  }
  template <typename T>
  void put(std::optional<T>& value) {
    put(value.emplace());
  }
  template <typename T>
  void put(std::vector<T>& values) {
    values.resize(static_cast<std::size_t>(pick(4)) + 1);
    for (auto& value : values) put(value);
  }
  void put(std::array<Signal, 4>& signals) {
    const auto count = pick(5);
    for (std::int64_t i = 0; i < count; ++i) put(signals[static_cast<std::size_t>(i)]);
  }
  void put(PerServerTool& numbers) {
    for (auto& number : numbers) number = pick(3) == 0 ? RequestFacts::server_calls_unbounded : pick(50);
  }
  void put(HealthView& health) {
    std::vector<std::pair<std::string, Health>> troubled;
    for (const auto* target : {"acme/plain", "acme/other"}) troubled.emplace_back(target, static_cast<Health>(pick(3)));
    health = HealthView{troubled};
  }
  void put(PriceQuote& quote) {
    put(quote.price_id);
    quote.tier_count = static_cast<std::uint8_t>(pick(4) + 1);
    for (std::size_t i = 0; i < quote.tier_count; ++i) put(quote.tiers[i]);
    quote.ceiling = quote.tiers[0].rates;
    if (pick(2) == 0) put(quote.ceiling);
  }
  template <typename Described>
    requires requires(Fill& fill, Described& value) { describe(fill, value); }
  void put(Described& value) {
    describe(*this, value);
  }

  std::mt19937_64 random_;
};

/// Every recorded member as "path=value", with the exact bits of numbers.
class Flat {
 public:
  explicit Flat(const Exchange& exchange) { describe(*this, exchange); }
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

  template <typename T>
  void always(std::string_view name, const T& value) {
    const auto outer = path_;
    path_ += fmt::format("/{}", name);
    put(value);
    path_ = outer;
  }
  template <typename T>
  void maybe(std::string_view name, const T& value) {
    always(name, value);
  }
  template <typename T>
  void maybe(std::string_view name, const T& value, const T& /*standard*/) {
    always(name, value);
  }
  template <typename T>
  void left_out(const T& /*value*/) {}
  template <typename Members>
  void group(std::string_view /*name*/, const Members& members) {
    members(*this);
  }
  void since(std::string_view name, Monotonic begin, Monotonic moment) {
    always(name, moment == Monotonic{} ? std::int64_t{-1} : (moment - begin).count());
  }
  template <typename Make>
  void derived(std::string_view /*name*/, const Make& /*make*/) {}

 private:
  void line(std::string_view text) { lines_.push_back(fmt::format("{}={}", path_, text)); }
  void put(std::integral auto number) { line(std::to_string(number)); }
  void put(float number) { line(fmt::format("{:08x}", std::bit_cast<std::uint32_t>(number))); }
  void put(const std::string& text) { line(text); }
  void put(std::string_view text) { line(text); }
  template <typename Enum>
    requires std::is_enum_v<Enum>
  void put(Enum value) {
    line(std::to_string(static_cast<int>(value)));
  }
  void put(Credits amount) { line(std::to_string(amount.nano())); }
  void put(Instant instant) { line(std::to_string(instant.time_since_epoch().count())); }
  void put(const std::shared_ptr<const Account>& account) {
    line(account ? "there" : "none");
    if (account) describe(*this, *account);
  }
  template <typename T>
  void put(const std::optional<T>& value) {
    line(value ? "there" : "none");
    if (value) put(*value);
  }
  template <typename T>
  void put(const std::vector<T>& values) {
    line(std::to_string(values.size()));
    for (const auto& value : values) put(value);
  }
  void put(const std::array<Signal, 4>& signals) {
    for (const auto& signal : signals) put(signal);
  }
  void put(const PerServerTool& numbers) {
    for (const auto number : numbers) put(number);
  }
  void put(const HealthView& health) {
    for (const auto& [target, state] : health.troubled()) {
      put(target);
      put(state);
    }
  }
  void put(const PriceQuote& quote) {
    put(quote.price_id);
    put(quote.tier_count);
    for (std::size_t i = 0; i < quote.tier_count; ++i) put(quote.tiers[i]);
    put(quote.ceiling);
  }
  template <typename Described>
    requires requires(Flat& flat, const Described& value) { describe(flat, value); }
  void put(const Described& value) {
    describe(*this, value);
  }

  std::string path_;
  std::vector<std::string> lines_;
};

}  // namespace turnpike::record
