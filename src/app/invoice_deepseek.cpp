// DeepSeek's platform, "amount-…csv": utc_date model [api_key_name] type amount [price]; `price` is per token.
//   types: input_cache_hit_tokens input_cache_miss_tokens output_tokens request_count, also in the capitals of its API.
// "cost-…csv": utc_date model cost currency [wallet_type]; a row per day, model and wallet.
#include <fmt/format.h>

#include <map>
#include <utility>

#include "app/invoice_reading.hpp"

namespace turnpike::app {
namespace {

__extension__ using Wide = __int128;

constexpr std::string_view amount_form = "the amount export of DeepSeek's platform";
constexpr std::string_view cost_form = "the cost export of DeepSeek's platform";

/// Nothing for rows that are not tokens.
std::optional<BilledClass> class_of(std::string_view type) {
  static const std::map<std::string, BilledClass, std::less<>> words{{"input_cache_hit_tokens", BilledClass::cache_read},
                                                                     {"prompt_cache_hit_token", BilledClass::cache_read},
                                                                     {"input_cache_miss_tokens", BilledClass::input},
                                                                     {"prompt_cache_miss_token", BilledClass::input},
                                                                     {"input_tokens", BilledClass::input},
                                                                     {"output_tokens", BilledClass::output},
                                                                     {"response_token", BilledClass::output}};
  const auto word = column_name(type);
  if (word == "request_count" || word == "request") return std::nullopt;
  const auto found = words.find(word);
  return found == words.end() ? BilledClass::other : found->second;
}

Result<Invoice> read_amounts(InvoiceTable table) {
  Invoice invoice{.provider = InvoiceProvider::deepseek, .form = std::string{amount_form}};
  const auto date = table.need({"utc_date"});
  const auto model = table.need({"model"});
  const auto type = table.need({"type"});
  const auto amount = table.need({"amount"});
  const auto price = table.find({"price"});
  const auto key = table.find({"api_key_name"});
  if (auto complete = table.complete(amount_form); !complete) return std::unexpected{complete.error()};
  std::int64_t requests = 0;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const auto day = read_day(table.cell(row, date));
    if (!day) return bad_cell(table, row, "utc_date", table.cell(row, date), "date");
    const auto count = read_count(table.cell(row, amount));
    if (!count) return bad_cell(table, row, "amount", table.cell(row, amount), "count of tokens");
    const auto billed = class_of(table.cell(row, type));
    if (!billed) {
      requests = saturating_sum(requests, *count);
      continue;
    }
    std::optional<PicoMoney> money;
    if (const auto text = table.cell(row, price); !text.empty()) {
      // A token's price has more digits than pico hold: it is read for a million tokens.
      const auto per_million = read_money(text, nullptr, 6);
      if (!per_million) return bad_cell(table, row, "price", text, "price per token");
      const Wide pico = (Wide{*per_million} * *count + 500'000) / 1'000'000;
      if (pico > INT64_MAX) return bad_cell(table, row, "price", text, "price that its count can be multiplied with");
      money = static_cast<PicoMoney>(pico);
    }
    invoice.lines.push_back({table.line(row), *day, *day, canonical_model(table.cell(row, model)), std::string{table.cell(row, key)}, *billed, *count, money});
  }
  if (requests > 0) invoice.notes.push_back(fmt::format("{} requests by the provider's count", requests));
  invoice.columns_ignored = table.ignored();
  return invoice;
}

Result<Invoice> read_costs(InvoiceTable table) {
  Invoice invoice{.provider = InvoiceProvider::deepseek, .form = std::string{cost_form}, .decimals = decimals_least};
  const auto date = table.need({"utc_date"});
  const auto model = table.need({"model"});
  const auto cost = table.need({"cost"});
  const auto currency = table.need({"currency"});
  const auto key = table.find({"api_key_name"});
  table.find({"wallet_type"});  // granted money was spent, too
  if (auto complete = table.complete(cost_form); !complete) return std::unexpected{complete.error()};
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const auto day = read_day(table.cell(row, date));
    if (!day) return bad_cell(table, row, "utc_date", table.cell(row, date), "date");
    const auto money = read_money(table.cell(row, cost), &invoice.decimals);
    if (!money) return bad_cell(table, row, "cost", table.cell(row, cost), "amount");
    const std::string code{table.cell(row, currency)};
    if (!invoice.currency.empty() && code != invoice.currency) return bad_cell(table, row, "currency", code, "currency of the lines before");
    invoice.currency = code;
    invoice.lines.push_back({table.line(row), *day, *day, canonical_model(table.cell(row, model)), std::string{table.cell(row, key)}, BilledClass::whole,
                             std::nullopt, *money});
  }
  invoice.columns_ignored = table.ignored();
  return invoice;
}

}  // namespace

std::optional<Result<Invoice>> read_deepseek_csv(const std::vector<CsvRecord>& records) {
  if (records.empty()) return std::nullopt;
  InvoiceTable table{records, 0};
  if (table.find({"utc_date"}) == InvoiceTable::absent) return std::nullopt;
  const bool costs = table.find({"cost"}) != InvoiceTable::absent && table.find({"type"}) == InvoiceTable::absent;
  return costs ? read_costs(InvoiceTable{records, 0}) : read_amounts(InvoiceTable{records, 0});
}

}  // namespace turnpike::app
