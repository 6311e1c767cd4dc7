#include "turnpike/usage.hpp"

#include <algorithm>

namespace turnpike {
namespace {

__extension__ using Wide = __int128;

constexpr std::int64_t pico_per_nano = 1000;

Error implausible(std::string message) { return gateway_error(500, "bad_usage", std::move(message)); }

/// Rounds up once, at the end, so that sums never drift.
Result<Credits> to_credits(Wide pico) {
  const Wide nano = (pico + pico_per_nano - 1) / pico_per_nano;
  if (nano > INT64_MAX) return std::unexpected{implausible("the amount does not fit into 64 bits of nano-credits")};
  return Credits::from_nano(static_cast<std::int64_t>(nano));
}

Wide item_cost(const PerServerTool& counts, const PerServerTool& rates) {
  Wide pico = 0;
  for (std::size_t i = 0; i < server_tools; ++i) pico += Wide{counts[i]} * rates[i];
  return pico;
}

}  // namespace

std::string_view to_string(ServerTool tool) {
  switch (tool) {
    case ServerTool::web_search:
      return "web_search";
    case ServerTool::web_fetch:
      return "web_fetch";
    case ServerTool::code_execution:
      return "code_execution";
    case ServerTool::file_search:
      return "file_search";
  }
  return "unknown";
}

bool any_negative(const Usage& usage) {
  return std::min({usage.input_fresh, usage.input_cache_read, usage.input_cache_write_5m, usage.input_cache_write_1h,
                   usage.output_text, usage.output_reasoning, std::ranges::min(usage.items)}) < 0;
}

Result<Credits> charge(const Rates& rates, const Usage& usage) {
  if (any_negative(usage)) return std::unexpected{implausible("a token count is negative")};
  Wide pico = rates.per_request;
  pico += Wide{usage.input_fresh} * rates.input;
  pico += Wide{usage.input_cache_read} * rates.cache_read;
  pico += Wide{usage.input_cache_write_5m} * rates.cache_write_5m;
  pico += Wide{usage.input_cache_write_1h} * rates.cache_write_1h;
  pico += (Wide{usage.output_text} + usage.output_reasoning) * rates.output;
  pico += item_cost(usage.items, rates.items);
  return to_credits(pico);
}

Result<Credits> charge(const PriceQuote& quote, const Usage& usage) {
  if (any_negative(usage)) return std::unexpected{implausible("a token count is negative")};
  return charge(quote.rates_for(usage.input()), usage);
}

Result<Credits> charge_bound(const PriceQuote& quote, std::int64_t prompt_tokens_max, std::int64_t output_tokens_max,
                             const PerServerTool& items_max, InputClasses classes) {
  if (prompt_tokens_max < 0 || output_tokens_max < 0 || std::ranges::min(items_max) < 0) {
    return std::unexpected{implausible("a bound is negative")};
  }
  const Rates& ceiling = quote.ceiling;
  std::int64_t dearest_input = std::max({ceiling.input, ceiling.cache_read, ceiling.cache_write_5m});
  if (classes == InputClasses::all) dearest_input = std::max(dearest_input, ceiling.cache_write_1h);
  return to_credits(Wide{prompt_tokens_max} * dearest_input + Wide{output_tokens_max} * ceiling.output +
                    item_cost(items_max, ceiling.items) + ceiling.per_request);
}

}  // namespace turnpike
