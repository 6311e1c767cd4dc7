#include "app/price_text.hpp"

#include <fmt/format.h>

#include <array>

namespace turnpike::app {
namespace {

constexpr int mtok_scale = 6;      // pico-credits per token as credits per million
constexpr int call_scale = 9;      // pico-credits per call as credits per thousand
constexpr int request_scale = 12;  // pico-credits as credits

std::string weekday_text(std::uint8_t mask) {
  static constexpr std::array<std::string_view, 7> names{"sun", "mon", "tue", "wed",
                                                         "thu", "fri", "sat"};
  if (mask == 0x7f) return "daily";
  if (mask == 0x3e) return "mon-fri";
  std::string text;
  for (std::size_t day = 0; day < names.size(); ++day) {
    if ((mask >> day & 1U) == 0) continue;
    if (!text.empty()) text += ',';
    text += names[day];
  }
  return text;
}

}  // namespace

std::string exact_decimal(std::int64_t value, int scale) {
  const bool negative = value < 0;
  const auto magnitude =
      negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  std::string digits = fmt::format("{:0{}}", magnitude, scale + 1);
  digits.insert(digits.size() - static_cast<std::size_t>(scale), ".");
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.ends_with('.')) digits.pop_back();
  return (negative ? "-" : "") + digits;
}

std::vector<std::pair<std::string, std::string>> named_rates(const Rates& rates,
                                                             const catalog::RateTable& table) {
  std::vector<std::pair<std::string, std::string>> named{
      {"input_per_mtok", exact_decimal(rates.input, mtok_scale)},
      {"cached_per_mtok", exact_decimal(rates.cache_read, mtok_scale)},
      {"cache_write_5m_per_mtok", exact_decimal(rates.cache_write_5m, mtok_scale)},
      {"cache_write_1h_per_mtok", exact_decimal(rates.cache_write_1h, mtok_scale)},
      {"output_per_mtok", exact_decimal(rates.output, mtok_scale)}};
  if (rates.per_request != 0)
    named.emplace_back("per_request", exact_decimal(rates.per_request, request_scale));
  for (std::size_t i = 0; i < server_tools; ++i) {
    const auto tool = static_cast<ServerTool>(i);
    if (table.prices(tool))
      named.emplace_back(fmt::format("{}_per_1k", to_string(tool)),
                         exact_decimal(rates.items[i], call_scale));
  }
  return named;
}

std::string day_or_instant(Instant instant) {
  auto text = to_rfc3339(instant);
  return text.ends_with("T00:00:00Z") ? text.substr(0, 10) : text;
}

std::string window_text(const catalog::PriceWindow& window) {
  std::string hours;
  for (const auto& range : window.ranges) {
    if (!hours.empty()) hours += ", ";
    hours += fmt::format("{:02}:{:02}-{:02}:{:02}", range.begin / 60, range.begin % 60,
                         range.end / 60, range.end % 60);
  }
  auto text =
      fmt::format("{}: {} {} {}", window.name, weekday_text(window.weekdays), hours, window.zone);
  if (!window.excepted.empty())
    text += fmt::format(", but for {} holidays", window.excepted.size());
  return text;
}

}  // namespace turnpike::app
