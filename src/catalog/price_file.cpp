// Prices as a provider file writes them: USD per million tokens, exact decimals.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "catalog/provider_file.hpp"

namespace turnpike::catalog {
namespace {

constexpr std::array<std::string_view, 7> day_names{"sun", "mon", "tue", "wed",
                                                    "thu", "fri", "sat"};
constexpr std::array<std::string_view, server_tools> call_keys{
    "web_search_per_1k", "web_fetch_per_1k", "code_execution_per_1k", "file_search_per_1k"};

using Convert = std::expected<std::int64_t, std::string> (*)(Decimal, Decimal);

std::optional<std::int64_t> read_price(TableReader& table, std::string_view key,
                                       Decimal credits_per_usd, Convert convert = pico_per_token) {
  const auto decimal = table.decimal(key);
  if (!decimal) return std::nullopt;
  const auto pico = convert(*decimal, credits_per_usd);
  if (pico) return *pico;
  table.faults().error(table.at(key),
                       fmt::format("{}: \"{}\": {}", table.what(), key, pico.error()));
  return std::nullopt;
}

/// Classes that are not written cost what `fallback` says: in a tier the same class of the base, in
/// a base the input rate (a provider that has no price for cached tokens bills them as input).
Rates read_rates(TableReader& table, Decimal credits_per_usd, const Rates* fallback) {
  Rates rates = fallback != nullptr ? *fallback : Rates{};
  const bool base = fallback == nullptr;
  const auto input = read_price(table, "input_per_mtok", credits_per_usd);
  const auto output = read_price(table, "output_per_mtok", credits_per_usd);
  for (const std::string_view key : {"input_per_mtok", "output_per_mtok"}) {
    if (base && table.find(key) == nullptr)
      table.faults().error(table.at(key), fmt::format("{}: \"{}\" is missing", table.what(), key));
  }
  rates.input = input.value_or(rates.input);
  rates.output = output.value_or(rates.output);
  if (base) rates.cache_read = rates.cache_write_5m = rates.cache_write_1h = rates.input;
  rates.cache_read =
      read_price(table, "cached_per_mtok", credits_per_usd).value_or(rates.cache_read);
  rates.cache_write_5m =
      read_price(table, "cache_write_5m_per_mtok", credits_per_usd).value_or(rates.cache_write_5m);
  rates.cache_write_1h =
      read_price(table, "cache_write_1h_per_mtok", credits_per_usd).value_or(rates.cache_write_1h);
  rates.per_request = read_price(table, "per_request", credits_per_usd, pico_per_request)
                          .value_or(rates.per_request);
  return rates;
}

/// Calls that are not written cost what they cost in `table`'s surroundings: windows say only what
/// they change.
void read_call_prices(TableReader& table, Decimal credits_per_usd, const RateTable* around,
                      RateTable& result) {
  auto& items = result.tiers[0].rates.items;
  if (around != nullptr) {
    items = around->tiers[0].rates.items;
    result.server_tools_priced = around->server_tools_priced;
  }
  for (std::size_t tool = 0; tool < server_tools; ++tool) {
    const auto price = read_price(table, call_keys[tool], credits_per_usd, pico_per_call);
    if (!price) continue;
    items[tool] = *price;
    result.server_tools_priced = static_cast<std::uint8_t>(result.server_tools_priced | 1U << tool);
  }
}

std::optional<int> minute_of_day(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto digit = [text](std::size_t i) { return text[i] - '0'; };
  for (const std::size_t i : {0U, 1U, 3U, 4U}) {
    if (digit(i) < 0 || digit(i) > 9) return std::nullopt;
  }
  const int minute = (digit(0) * 10 + digit(1)) * 60 + digit(3) * 10 + digit(4);
  return digit(3) < 6 && minute <= 1440 ? std::optional{minute} : std::nullopt;
}

/// Of the key "utc" or "local".
std::vector<MinuteRange> read_ranges(TableReader& window, std::string_view key) {
  std::vector<MinuteRange> ranges;
  for (const auto& text : window.strings(key)) {
    const auto dash = text.find('-');
    const auto begin = minute_of_day(std::string_view{text}.substr(0, dash));
    const auto end = dash == std::string::npos
                         ? std::nullopt
                         : minute_of_day(std::string_view{text}.substr(dash + 1));
    if (!begin || !end || *begin >= *end) {
      window.faults().error(
          window.at(key),
          fmt::format("{}: \"{}\" must hold ranges such as \"01:00-04:00\", not \"{}\"; "
                      "write one over midnight as two",
                      window.what(), key, text));
      continue;
    }
    ranges.push_back({*begin, *end});
  }
  std::sort(ranges.begin(), ranges.end(),
            [](const auto& a, const auto& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].begin < ranges[i - 1].end)
      window.faults().error(window.at(key),
                            fmt::format("{}: ranges of \"{}\" overlap", window.what(), key));
  }
  if (ranges.empty()) ranges.push_back({0, 1440});
  return ranges;
}

std::uint8_t read_weekdays(TableReader& window) {
  std::uint8_t mask = 0;
  for (const auto& text : window.strings("days")) {
    const auto* const found = std::find(day_names.begin(), day_names.end(), text);
    if (found == day_names.end()) {
      window.faults().error(window.at("days"),
                            fmt::format("{}: \"{}\" is no day; known: {}", window.what(), text,
                                        fmt::join(day_names, ", ")));
      continue;
    }
    mask = static_cast<std::uint8_t>(mask | 1U << (found - day_names.begin()));
  }
  return window.find("days") == nullptr ? std::uint8_t{0x7f} : mask;
}

std::vector<std::chrono::sys_days> read_excepted(TableReader& window, const Holidays& holidays) {
  std::vector<std::chrono::sys_days> days;
  for (const auto& name : window.strings("except")) {
    const auto found = holidays.find(name);
    if (found == holidays.end()) {
      window.faults().error(
          window.at("except"),
          fmt::format("{}: no list \"{}\" in [holidays] of this file", window.what(), name));
      continue;
    }
    days.insert(days.end(), found->second.begin(), found->second.end());
  }
  std::sort(days.begin(), days.end());
  return days;
}

/// `utc` ranges, or `zone` and `local` ranges: one of the two says whose days and minutes are
/// meant.
void read_hours(TableReader& table, PriceWindow& window) {
  const auto zone = table.string("zone");
  const bool local = table.find("local") != nullptr;
  if (local && table.find("utc") != nullptr)
    table.faults().error(table.at("local"),
                         fmt::format("{}: either \"utc\" or \"local\"", table.what()));
  if (local && !zone)
    table.faults().error(table.at("local"),
                         fmt::format("{}: \"local\" needs \"zone\"", table.what()));
  if (zone && table.find("utc") != nullptr)
    table.faults().error(table.at("zone"),
                         fmt::format("{}: \"zone\" belongs to \"local\"", table.what()));
  window.zone = zone.value_or("UTC");
  window.clock = local_clock(window.zone);
  if (window.clock == nullptr) {
    table.faults().error(
        table.at("zone"),
        fmt::format("{}: time zone \"{}\" is not in the system's database; write an IANA name "
                    "such as \"Asia/Shanghai\"",
                    table.what(), window.zone));
    window.clock = local_clock("UTC");  // so that the rest is still read
  }
  window.ranges = read_ranges(table, local ? "local" : "utc");
}

PriceWindow read_window(const TomlNode& node, const std::string& what, const Holidays& holidays,
                        Decimal credits_per_usd, const RateTable& around, FaultLog& faults) {
  TableReader table{node, what + " window", faults};
  PriceWindow window;
  window.name = table.required_string("name");
  table.rename(fmt::format("{} window \"{}\"", what, window.name));
  window.weekdays = read_weekdays(table);
  read_hours(table, window);
  window.excepted = read_excepted(table, holidays);
  window.rates = read_rate_table(table, credits_per_usd, &around);
  table.finish();
  return window;
}

/// Records name a price by its interval and window: two of one name could not be told apart.
void check_window_names(const PriceInterval& interval, TableReader& table) {
  for (std::size_t i = 1; i < interval.windows.size(); ++i) {
    const auto same = [&](const PriceWindow& other) {
      return other.name == interval.windows[i].name;
    };
    const auto end = interval.windows.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::any_of(interval.windows.begin(), end, same))
      table.faults().error(table.at("window"), fmt::format("{}: two windows are called \"{}\"",
                                                           table.what(), interval.windows[i].name));
  }
}

struct WrittenInterval {
  PriceInterval interval;
  TomlPosition at;
  bool open_end = true;  // no `until` was written
};

std::string day_or_instant(Instant instant) {
  auto text = to_rfc3339(instant);
  return text.ends_with("T00:00:00Z") ? text.substr(0, 10) : text;
}

WrittenInterval read_interval(const TomlNode& node, const Model& model, const Holidays& holidays,
                              Decimal credits_per_usd, FaultLog& faults) {
  TableReader table{node, fmt::format("model \"{}\" price", model.id), faults};
  WrittenInterval written;
  written.at = node.at;
  auto& interval = written.interval;
  const auto from = table.instant("from");
  if (!from && table.find("from") == nullptr)
    faults.error(node.at, fmt::format("{}: \"from\" is missing", table.what()));
  interval.from = from.value_or(Instant{});
  interval.id = fmt::format("{}@{}", model.target(), day_or_instant(interval.from));
  table.rename(fmt::format("price {}", interval.id));
  const auto until = table.instant("until");
  written.open_end = !until;
  interval.until = until.value_or(forever);
  if (interval.until <= interval.from)
    faults.error(table.at("until"),
                 fmt::format("{}: \"until\" is not after \"from\"", table.what()));
  interval.promotion = table.boolean("promotion").value_or(false);
  interval.note = table.string("note").value_or("");
  interval.rates = read_rate_table(table, credits_per_usd);
  for (const auto* window : table.tables("window"))
    interval.windows.push_back(
        read_window(*window, table.what(), holidays, credits_per_usd, interval.rates, faults));
  check_window_names(interval, table);
  table.finish();
  return written;
}

/// Open ends run to the next interval's beginning; written ends must not run past it.
void close_ends(std::vector<WrittenInterval>& written, const Model& model, FaultLog& faults) {
  std::sort(written.begin(), written.end(), [](const auto& a, const auto& b) {
    return std::tuple{a.interval.from, a.at.line, a.at.column} <
           std::tuple{b.interval.from, b.at.line, b.at.column};
  });
  for (std::size_t i = 0; i + 1 < written.size(); ++i) {
    auto& interval = written[i].interval;
    const auto& next = written[i + 1];
    if (written[i].open_end && interval.from < next.interval.from)
      interval.until = next.interval.from;
    if (interval.until > next.interval.from)
      faults.error(next.at,
                   fmt::format("price {} overlaps price {}", next.interval.id, interval.id));
  }
  if (!model.retired_at) return;
  for (auto& entry : written) {
    if (entry.interval.from >= *model.retired_at)
      faults.error(entry.at,
                   fmt::format("price {} begins after the model retires", entry.interval.id));
    entry.interval.until = std::min(entry.interval.until, *model.retired_at);
  }
}

}  // namespace

RateTable read_rate_table(TableReader& table, Decimal credits_per_usd, const RateTable* around) {
  RateTable result;
  result.tiers[0].rates = read_rates(table, credits_per_usd, nullptr);
  read_call_prices(table, credits_per_usd, around, result);
  for (const auto* node : table.tables("tier")) {
    TableReader tier{*node, table.what() + " tier", table.faults()};
    const auto above = tier.integer("prompt_tokens_above", 1);
    const Rates rates = read_rates(tier, credits_per_usd, &result.tiers[0].rates);
    tier.finish();
    if (tier.find("prompt_tokens_above") == nullptr)
      table.faults().error(node->at,
                           fmt::format("{}: \"prompt_tokens_above\" is missing", tier.what()));
    if (!above) continue;
    if (*above <= result.tiers[result.count - 1U].prompt_tokens_above) {
      table.faults().error(node->at, fmt::format("{}: tiers must rise", tier.what()));
    } else if (result.count == PriceQuote::tiers_max) {
      table.faults().error(node->at,
                           fmt::format("{}: at most {} sizes", tier.what(), PriceQuote::tiers_max));
    } else {
      result.tiers[result.count++] = {*above, rates};
    }
  }
  return result;
}

PriceSchedule read_prices(TableReader& model, const Model& described, const Holidays& holidays,
                          Decimal credits_per_usd) {
  std::vector<WrittenInterval> written;
  for (const auto* node : model.tables("price"))
    written.push_back(read_interval(*node, described, holidays, credits_per_usd, model.faults()));
  close_ends(written, described, model.faults());
  PriceSchedule schedule;
  schedule.reserve(written.size());
  for (auto& entry : written) schedule.push_back(std::move(entry.interval));
  return schedule;
}

}  // namespace turnpike::catalog
