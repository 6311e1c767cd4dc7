// Prices for people: exact decimals in credits, per million tokens and per thousand calls, as price
// lists write them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "catalog/price.hpp"
#include "turnpike/usage.hpp"

namespace turnpike::app {

/// value / 10^scale without trailing zeros: exact_decimal(150'000, 6) is "0.15".
std::string exact_decimal(std::int64_t value, int scale);

/// "input 0.15", "cached 0.003", … : name and figure of each class. Calls of server tools only
/// where `table` prices them, the fee of a request only where there is one.
std::vector<std::pair<std::string, std::string>> named_rates(const Rates& rates,
                                                             const catalog::RateTable& table);

/// "2026-09-14", or the whole timestamp if it is not midnight.
std::string day_or_instant(Instant instant);

/// "peak: mon-fri 01:00-04:00, 06:00-10:00 UTC"
std::string window_text(const catalog::PriceWindow& window);

}  // namespace turnpike::app
