// Claude Console, usage: usage_date_utc model_version [api_key] [usage_type] usage_input_tokens_no_cache
//   usage_input_tokens_cache_read usage_input_tokens_cache_write_5m usage_input_tokens_cache_write_1h usage_output_tokens
//   [web_search_count]; a row per day, model, key.
// Claude Console, cost: usage_date_utc model [api_key] [usage_type] token_type cost_usd [cost_type]; a row per class, too;
//   models by their display names.
#include <fmt/format.h>

#include <array>
#include <map>
#include <utility>

#include "app/invoice_reading.hpp"

namespace turnpike::app {
namespace {

constexpr std::string_view usage_form = "the usage export of Claude's Console";
constexpr std::string_view cost_form = "the cost export of Claude's Console";

/// Batches and the like are sold at other prices and bought by nobody through this gateway: they are a model of their own.
std::string model_of(std::string_view model, std::string_view usage_type) {
  auto name = canonical_model(model);
  const bool usual = usage_type.empty() || usage_type == "standard" || usage_type == "message";
  return usual ? name : fmt::format("{} ({})", name, usage_type);
}

Result<Invoice> read_usage(InvoiceTable table) {
  Invoice invoice{.provider = InvoiceProvider::anthropic, .form = std::string{usage_form}, .currency = "USD"};
  const auto date = table.need({"usage_date_utc", "usage_date"});
  const auto model = table.need({"model_version", "model"});
  const auto key = table.find({"api_key"});
  const auto usage_type = table.find({"usage_type"});
  const std::array<std::pair<BilledClass, std::size_t>, 6> counts{
      {{BilledClass::input, table.need({"usage_input_tokens_no_cache", "input_tokens"})},
       {BilledClass::cache_read, table.need({"usage_input_tokens_cache_read", "cache_read_input_tokens"})},
       {BilledClass::cache_write_5m, table.need({"usage_input_tokens_cache_write_5m", "usage_input_tokens_cache_write"})},
       {BilledClass::cache_write_1h, table.find({"usage_input_tokens_cache_write_1h"})},
       {BilledClass::output, table.need({"usage_output_tokens", "output_tokens"})},
       {BilledClass::web_search, table.find({"web_search_count"})}}};
  if (auto complete = table.complete(usage_form); !complete) return std::unexpected{complete.error()};
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const auto day = read_day(table.cell(row, date));
    if (!day) return bad_cell(table, row, "usage_date_utc", table.cell(row, date), "date");
    for (const auto& [billed, column] : counts) {
      const auto text = table.cell(row, column);
      if (text.empty()) continue;
      const auto count = read_count(text);
      if (!count) return bad_cell(table, row, to_string(billed), text, "count of tokens");
      if (*count == 0) continue;
      invoice.lines.push_back({table.line(row), *day, *day, model_of(table.cell(row, model), table.cell(row, usage_type)),
                               std::string{table.cell(row, key)}, billed, *count, std::nullopt});
    }
  }
  invoice.columns_ignored = table.ignored();
  return invoice;
}

BilledClass class_of(std::string_view token_type, std::string_view cost_type) {
  static const std::map<std::string_view, BilledClass> words{{"input_no_cache", BilledClass::input},
                                                             {"uncached_input_tokens", BilledClass::input},
                                                             {"input_cache_read", BilledClass::cache_read},
                                                             {"cache_read_input_tokens", BilledClass::cache_read},
                                                             {"input_cache_write_5m", BilledClass::cache_write_5m},
                                                             {"cache_creation_ephemeral_5m_input_tokens", BilledClass::cache_write_5m},
                                                             {"input_cache_write_1h", BilledClass::cache_write_1h},
                                                             {"cache_creation_ephemeral_1h_input_tokens", BilledClass::cache_write_1h},
                                                             {"output", BilledClass::output},
                                                             {"output_tokens", BilledClass::output},
                                                             {"web_search", BilledClass::web_search},
                                                             {"code_execution", BilledClass::code_execution}};
  for (const auto& word : {column_name(token_type), column_name(cost_type)}) {
    if (const auto found = words.find(word); found != words.end()) return found->second;
  }
  return BilledClass::other;
}

Result<Invoice> read_cost(InvoiceTable table) {
  Invoice invoice{.provider = InvoiceProvider::anthropic, .form = std::string{cost_form}, .currency = "USD", .decimals = decimals_least};
  const auto date = table.need({"usage_date_utc", "usage_date"});
  const auto model = table.need({"model", "model_version"});
  const auto token_type = table.need({"token_type"});
  const auto cost = table.need({"cost_usd"});
  const auto cost_type = table.find({"cost_type"});
  const auto key = table.find({"api_key"});
  const auto usage_type = table.find({"usage_type"});
  if (auto complete = table.complete(cost_form); !complete) return std::unexpected{complete.error()};
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const auto day = read_day(table.cell(row, date));
    if (!day) return bad_cell(table, row, "usage_date_utc", table.cell(row, date), "date");
    const auto amount = read_money(table.cell(row, cost), &invoice.decimals);
    if (!amount) return bad_cell(table, row, "cost_usd", table.cell(row, cost), "amount");
    invoice.lines.push_back({table.line(row), *day, *day, model_of(table.cell(row, model), table.cell(row, usage_type)),
                             std::string{table.cell(row, key)}, class_of(table.cell(row, token_type), table.cell(row, cost_type)), std::nullopt, *amount});
  }
  invoice.columns_ignored = table.ignored();
  return invoice;
}

}  // namespace

std::optional<Result<Invoice>> read_anthropic_csv(const std::vector<CsvRecord>& records) {
  if (records.empty()) return std::nullopt;
  InvoiceTable table{records, 0};
  if (table.find({"usage_date_utc", "usage_date"}) == InvoiceTable::absent) return std::nullopt;
  const bool costs = table.find({"cost_usd"}) != InvoiceTable::absent || table.find({"token_type"}) != InvoiceTable::absent;
  return costs ? read_cost(InvoiceTable{records, 0}) : read_usage(InvoiceTable{records, 0});
}

}  // namespace turnpike::app
