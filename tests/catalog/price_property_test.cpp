// Random schedules against an oracle that shares no line with the catalog: it keeps its own
// description of the prices, asks the C library for local times, and looks second by second.
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>
#include <map>
#include <random>
#include <set>
#include <unordered_map>

#include "catalog/catalog.hpp"
#include "catalog/folder.hpp"

using namespace turnpike;
using namespace turnpike::catalog;
using test::at;

namespace {

using Random = std::mt19937_64;
using Second = std::int64_t;  // since 1970

int below(Random& random, int bound) {
  return std::uniform_int_distribution<int>{0, bound - 1}(random);
}

/// Prices are in micro-USD per million tokens, which are pico-credits per token.
struct OracleRates {
  std::int64_t input = 0;
  std::int64_t output = 0;
  std::int64_t search = 0;  // pico-credits per call
  bool operator==(const OracleRates&) const = default;
};

struct OracleTable {
  OracleRates base;
  std::int64_t tier_above = 0;  // 0: no second tier
  OracleRates tier;
  bool operator==(const OracleTable&) const = default;
};

struct OracleWindow {
  std::string zone;
  std::set<int> weekdays;  // 0 is Sunday
  std::vector<std::pair<int, int>> minutes;
  std::set<std::int64_t> holidays;  // days since 1970 in the zone's calendar
  OracleTable table;
};

struct OracleInterval {
  Second from = 0;
  Second until = INT64_MAX;
  OracleTable table;
  std::vector<OracleWindow> windows;
};

/// Offset of the zone's clocks, by the C library. The zones here change theirs at whole quarters of
/// an hour only.
Second offset_at(const std::string& zone, Second second) {
  static std::map<std::string, std::unordered_map<Second, Second>> known;
  const Second quarter = second / 900;
  const auto [place, fresh] = known[zone].try_emplace(quarter);
  if (!fresh) return place->second;
  setenv("TZ", zone.c_str(), 1);
  tzset();
  const std::time_t time = quarter * 900;
  std::tm shown{};
  localtime_r(&time, &shown);
  return place->second = shown.tm_gmtoff;
}

bool covers(const OracleWindow& window, Second second) {
  const Second local = second + offset_at(window.zone, second);
  const Second day = local / 86'400;
  if (!window.weekdays.contains(static_cast<int>((day + 4) % 7)))
    return false;  // 1970 began on a Thursday
  if (window.holidays.contains(day)) return false;
  const auto minute = static_cast<int>(local % 86'400 / 60);
  return std::ranges::any_of(window.minutes, [&](const auto& range) {
    return minute >= range.first && minute < range.second;
  });
}

const OracleTable* table_at(const std::vector<OracleInterval>& schedule, Second second) {
  for (const auto& interval : schedule) {
    if (second < interval.from || second >= interval.until) continue;
    for (const auto& window : interval.windows) {
      if (covers(window, second)) return &window.table;
    }
    return &interval.table;
  }
  return nullptr;
}

bool same(const OracleTable* a, const OracleTable* b) {
  return a == nullptr || b == nullptr ? a == b : *a == *b;
}

// ---- drawing schedules

OracleRates draw_rates(Random& random) {
  return {below(random, 40) * 50'000, below(random, 40) * 50'000,
          below(random, 20) * std::int64_t{1'000'000'000}};
}

OracleTable draw_table(Random& random) {
  OracleTable table{draw_rates(random), 0, {}};
  if (below(random, 3) == 0) {
    table.tier_above = 1000 * (1 + below(random, 300));
    table.tier = draw_rates(random);
    table.tier.search = table.base.search;  // a size does not change the price of a call
  }
  return table;
}

OracleWindow draw_window(Random& random) {
  static const std::vector<std::string> zones{
      "UTC",          "Asia/Shanghai",   "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
      "Asia/Kolkata", "America/Santiago"};
  OracleWindow window;
  window.zone = zones[static_cast<std::size_t>(below(random, static_cast<int>(zones.size())))];
  for (int day = 0; day < 7; ++day) {
    if (below(random, 3) > 0) window.weekdays.insert(day);
  }
  if (window.weekdays.empty()) window.weekdays.insert(below(random, 7));
  int minute = below(random, 400);
  while (minute < 1380 && window.minutes.size() < 3) {
    const int end = std::min(1440, minute + 1 + below(random, 500));
    window.minutes.emplace_back(minute, end);
    minute = end + below(random, 300);
  }
  for (int i = 1 + below(random, 4); i > 0; --i) {
    window.holidays.insert(at("2026-01-01").time_since_epoch() / std::chrono::days{1} +
                           below(random, 365));
  }
  window.table = draw_table(random);
  return window;
}

std::vector<OracleInterval> draw_schedule(Random& random) {
  std::vector<OracleInterval> schedule;
  Second from = at("2026-01-01").time_since_epoch().count() / 1'000'000 + below(random, 86'400);
  for (int i = 1 + below(random, 3); i > 0; --i) {
    OracleInterval interval{from, INT64_MAX, draw_table(random), {}};
    for (int w = below(random, 3); w > 0; --w) interval.windows.push_back(draw_window(random));
    const Second length = 3600 + below(random, 200 * 86'400);
    interval.until = from + length;
    from = interval.until + (below(random, 3) == 0 ? below(random, 5 * 86'400) : 0);
    schedule.push_back(interval);
  }
  if (below(random, 2) == 0) schedule.back().until = INT64_MAX;
  return schedule;
}

// ---- telling the catalog

std::string rates_text(const OracleRates& rates, bool calls) {
  const auto usd = [](std::int64_t pico, int scale) {
    const auto text = std::to_string(pico + std::int64_t{1'000'000'000'000'000});
    return "\"" + std::to_string(pico / static_cast<std::int64_t>(scale)) + "." +
           text.substr(text.size() - (scale == 1'000'000 ? 6U : 9U)) + "\"";
  };
  auto text = "input_per_mtok = " + usd(rates.input, 1'000'000) +
              "\noutput_per_mtok = " + usd(rates.output, 1'000'000) + "\n";
  if (calls) text += "web_search_per_1k = " + usd(rates.search, 1'000'000'000) + "\n";
  return text;
}

std::string table_text(const OracleTable& table, const std::string& header) {
  auto text = rates_text(table.base, true);
  if (table.tier_above > 0)
    text += "[[" + header + ".tier]]\nprompt_tokens_above = " + std::to_string(table.tier_above) +
            "\n" + rates_text(table.tier, false);
  return text;
}

std::string instant_text(Second second) {
  return to_rfc3339(Instant{std::chrono::seconds{second}});
}

std::string hhmm(int minute) {
  char text[8];
  std::snprintf(text, sizeof text, "%02d:%02d", minute / 60, minute % 60);
  return text;
}

std::string window_text(const OracleWindow& window, const std::string& name) {
  static constexpr std::array days{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
  auto text =
      "[[model.price.window]]\nname = \"" + name + "\"\nexcept = \"" + name + "\"\ndays = [";
  for (const int day : window.weekdays)
    text += "\"" + std::string{days[static_cast<std::size_t>(day)]} + "\",";
  text += "]\n";
  text += window.zone == "UTC" ? "utc = [" : "zone = \"" + window.zone + "\"\nlocal = [";
  for (const auto& [begin, end] : window.minutes)
    text += "\"" + hhmm(begin) + "-" + hhmm(end) + "\",";
  return text + "]\n" + table_text(window.table, "model.price.window");
}

Catalog catalog_of(const std::vector<OracleInterval>& schedule) {
  std::string holidays = "[holidays]\n";
  std::string prices;
  int number = 0;
  for (const auto& interval : schedule) {
    prices += "[[model.price]]\nfrom = " + instant_text(interval.from) + "\n";
    if (interval.until != INT64_MAX) prices += "until = " + instant_text(interval.until) + "\n";
    prices += table_text(interval.table, "model.price");
    for (const auto& window : interval.windows) {
      const auto name = "w" + std::to_string(number++);
      holidays += name + " = [";
      for (const auto day : window.holidays)
        holidays += instant_text(day * 86'400).substr(0, 10) + ",";
      holidays += "]\n";
      prices += window_text(window, name);
    }
  }
  const test::Folder folder;
  folder.write("p.toml",
               "[provider]\nid = \"p\"\ndialect = \"openai-chat\"\nbase_url = "
               "\"https://p.example/v1\"\n" +
                   holidays +
                   "[[model]]\nid = \"m\"\ncontext_tokens = 1000\noutput_tokens_max = 100\n"
                   "as_of = 2026-01-01\nsource = \"test\"\n" +
                   prices);
  auto catalog = Catalog::load(folder.path());
  if (!catalog) {
    UNSCOPED_INFO(prices);
    FAIL(to_string(catalog.error().front()));
  }
  return std::move(*catalog);
}

// ---- comparing

/// Instants where something may happen, a second around them, and some in between.
std::vector<Second> instants_of(const std::vector<OracleInterval>& schedule, Random& random) {
  std::vector<Second> instants;
  for (const auto& interval : schedule) {
    for (const Second edge : {interval.from, interval.until}) {
      if (edge == INT64_MAX) continue;
      for (Second near = edge - 2; near <= edge + 2; ++near) instants.push_back(near);
    }
  }
  // Each hour of the nights in which clocks change somewhere, and of a few days drawn.
  for (const auto* night : {"2026-03-08", "2026-03-29", "2026-04-04", "2026-04-05", "2026-10-03",
                            "2026-10-04", "2026-10-25", "2026-11-01"}) {
    const Second midnight = at(night).time_since_epoch().count() / 1'000'000;
    for (int i = 0; i < 6; ++i) instants.push_back(midnight + below(random, 86'400));
  }
  for (int i = 0; i < 40; ++i)
    instants.push_back(schedule.front().from + below(random, 300 * 86'400));
  return instants;
}

std::int64_t dearest(const std::vector<OracleInterval>& schedule, Second now, Second horizon,
                     std::int64_t prompt, std::int64_t OracleRates::* rate) {
  std::int64_t most = 0;
  for (Second later = now; later <= now + horizon; ++later) {
    const auto* table = table_at(schedule, later);
    if (table == nullptr) continue;
    most = std::max(most, table->base.*rate);
    if (table->tier_above > 0 && prompt > table->tier_above)
      most = std::max(most, table->tier.*rate);
  }
  return most;
}

/// The first second of (now, end] whose table differs from the one at `now`; whole minutes and the
/// intervals' ends are the only seconds at which anything can change, and the oracle does not use
/// that: it looks at each.
std::optional<Second> first_change(const std::vector<OracleInterval>& schedule, Second now,
                                   Second end) {
  const auto* today = table_at(schedule, now);
  for (Second later = now + 1; later <= end; ++later) {
    if (!same(today, table_at(schedule, later))) return later;
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("quotes, ceilings and changes of random schedules agree with a second-by-second oracle",
          "[catalog][price]") {
  const char* zone_before = std::getenv("TZ");
  const std::string kept = zone_before == nullptr ? "" : zone_before;
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  Random random{seed};
  std::size_t quotes = 0;
  std::size_t changes = 0;
  for (int round = 0; round < 80; ++round) {
    const auto schedule = draw_schedule(random);
    const auto catalog = catalog_of(schedule);
    const auto& prices = catalog.find("m")->prices;
    for (const Second now : instants_of(schedule, random)) {
      const Instant instant{std::chrono::seconds{now}};
      const Second horizon = below(random, 700);
      const std::int64_t prompt = 1000 * below(random, 400);
      const auto quote = quote_at(prices, instant, std::chrono::seconds{horizon}, prompt);
      const auto* expected = table_at(schedule, now);
      CAPTURE(round, instant_text(now), horizon, prompt);
      REQUIRE(quote.has_value() == (expected != nullptr));
      if (quote) {
        ++quotes;
        const auto& base = quote->tiers[0].rates;
        REQUIRE(OracleRates{base.input, base.output, base.items[0]} == expected->base);
        const auto& large = quote->rates_for(1'000'000);
        if (expected->tier_above > 0)
          REQUIRE(OracleRates{large.input, large.output, large.items[0]} == expected->tier);
        REQUIRE(quote->ceiling.input ==
                dearest(schedule, now, horizon, prompt, &OracleRates::input));
        REQUIRE(quote->ceiling.output ==
                dearest(schedule, now, horizon, prompt, &OracleRates::output));
        REQUIRE(quote->ceiling.items[0] ==
                dearest(schedule, now, horizon, prompt, &OracleRates::search));
      }
      const Second end = now + 3600;
      const auto change = next_change(prices, instant);
      const auto oracle = first_change(schedule, now, end);
      const Second told = change ? change->time_since_epoch().count() / 1'000'000 : INT64_MAX;
      if (oracle) {
        ++changes;
        REQUIRE(told == *oracle);
      } else {
        REQUIRE(told > end);
        // Whatever is announced does change something.
        if (change) REQUIRE_FALSE(same(table_at(schedule, told - 1), table_at(schedule, told)));
      }
    }
  }
  CHECK(quotes > 1000);
  CHECK(changes > 50);
  kept.empty() ? unsetenv("TZ") : setenv("TZ", kept.c_str(), 1);
  tzset();
}
