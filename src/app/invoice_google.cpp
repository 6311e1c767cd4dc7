// Google Cloud Billing, cost table (CSV of the console): a preamble of "name,value" lines, then
//   [Service description] SKU description [Credit type] [Cost type] Usage start date, Usage end date, Usage amount,
//   [Usage unit] Unrounded cost (…) or Cost (…)
// BigQuery export, as CSV: service.description sku.description usage_start_time usage.amount cost currency, with dots or
//   underscores.
// One SKU is one class of one model: "Generate content input token count gemini 3.1 flash lite short text". Thinking is
// inside the output.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "app/invoice_reading.hpp"

namespace turnpike::app {
namespace {

constexpr std::string_view form = "a cost table or billing export of Google Cloud";

bool holds(std::string_view text, std::string_view word) { return text.find(word) != std::string_view::npos; }

struct Sku {
  std::string model;
  BilledClass billed = BilledClass::other;
};

/// Batch and flex are sold at other prices: a model of their own.
Sku read_sku(std::string_view description) {
  std::string text = column_name(description);
  Sku sku;
  if (holds(text, "grounding")) sku.billed = BilledClass::web_search;
  const auto begin = text.find("gemini");
  if (begin == std::string::npos) return sku;
  const auto what = text.substr(0, begin) + text.substr(std::min(text.size(), begin));
  const bool cached = holds(what, "cached") || holds(what, "caching");
  if (holds(what, "storage")) {
    sku.billed = BilledClass::other;
  } else if (cached) {
    sku.billed = BilledClass::cache_read;
  } else if (holds(what, "output")) {
    sku.billed = BilledClass::output;
  } else if (holds(what, "input")) {
    sku.billed = BilledClass::input;
  }
  std::string name = text.substr(begin);
  std::string tier;
  for (const std::string_view word : {"_batch", "_flex", "_priority"}) {
    const auto at = name.find(word);
    if (at == std::string::npos) continue;
    tier = word.substr(1);
    name.erase(at, word.size());
  }
  for (const std::string_view word : {"_cached", "_caching", "_implicit", "_explicit"}) {
    if (const auto at = name.find(word); at != std::string::npos) name.erase(at, word.size());
  }
  sku.model = canonical_model(name) + (tier.empty() ? "" : fmt::format(" ({})", tier));
  return sku;
}

bool is_gemini(std::string_view service) {
  const auto name = column_name(service);
  return name.empty() || holds(name, "gemini") || holds(name, "generative_language") || holds(name, "vertex");
}

/// What is left out is said, with its sum: an invoice is never smaller by silence.
struct LeftOut {
  std::int64_t rows = 0;
  PicoMoney amount = 0;
  void add(PicoMoney money) {
    ++rows;
    amount = saturating_sum(amount, money);
  }
};

void note(Invoice& invoice, const LeftOut& left, std::string_view what) {
  if (left.rows == 0) return;
  invoice.notes.push_back(fmt::format("{} left out: {}, {}.{:02} in all", what, left.rows, left.amount / 1'000'000'000'000,
                                      left.amount / 10'000'000'000 % 100));
}

struct Columns {
  std::size_t service, sku, first, last, count, cost, cost_type, credit_type, currency;
};

Columns columns_of(InvoiceTable& table) {
  Columns columns{};
  columns.service = table.find({"service_description"});
  columns.sku = table.need({"sku_description"});
  columns.first = table.need({"usage_start_date", "usage_start_time", "usage_date"});
  columns.last = table.find({"usage_end_date"});
  columns.count = table.need({"usage_amount"});
  columns.cost = table.find({"unrounded_cost", "unrounded_cost_a", "unrounded_cost_usd", "unrounded_cost_eur"});
  const auto rounded = table.find({"cost", "cost_a", "cost_usd", "cost_eur"});
  if (columns.cost == InvoiceTable::absent) columns.cost = rounded != InvoiceTable::absent ? rounded : table.need({"cost"});
  columns.cost_type = table.find({"cost_type"});
  columns.credit_type = table.find({"credit_type"});
  columns.currency = table.find({"currency"});
  table.find({"usage_unit"});
  return columns;
}

/// The last day of a row. A BigQuery row has no end date and lies within one day.
std::optional<std::chrono::sys_days> last_day(const InvoiceTable& table, std::size_t row, const Columns& columns, std::chrono::sys_days first) {
  const auto text = table.cell(row, columns.last);
  return text.empty() ? first : read_day(text);
}

Result<Invoice> read_rows(InvoiceTable table) {
  Invoice invoice{.provider = InvoiceProvider::google, .form = std::string{form}, .currency = std::string{table.preamble("currency")}, .decimals = decimals_least};
  // The console writes the billing account's days, BigQuery instants in UTC.
  if (table.find({"usage_start_time"}) == InvoiceTable::absent) invoice.zone = "America/Los_Angeles";
  const auto columns = columns_of(table);
  if (auto complete = table.complete(form); !complete) return std::unexpected{complete.error()};
  LeftOut others;
  LeftOut taxes;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const auto sku_text = table.cell(row, columns.sku);
    const auto first_text = table.cell(row, columns.first);
    if (sku_text.empty() && first_text.empty()) continue;  // the table's own totals
    const auto amount = read_money(table.cell(row, columns.cost), &invoice.decimals);
    if (!amount) return bad_cell(table, row, "cost", table.cell(row, columns.cost), "amount");
    if (!is_gemini(table.cell(row, columns.service))) {
      others.add(*amount);
      continue;
    }
    if (column_name(table.cell(row, columns.cost_type)) == "tax") {
      taxes.add(*amount);
      continue;
    }
    const auto first = read_day(first_text);
    if (!first) return bad_cell(table, row, "usage start date", first_text, "date");
    const auto last = last_day(table, row, columns, *first);
    if (!last || *last < *first) return bad_cell(table, row, "usage end date", table.cell(row, columns.last), "date from its start on");
    if (const auto code = table.cell(row, columns.currency); !code.empty()) invoice.currency = code;
    auto [model, billed] = read_sku(sku_text);
    const bool credit = !table.cell(row, columns.credit_type).empty();
    const auto count = credit ? std::nullopt : read_count(table.cell(row, columns.count));
    if (credit) billed = BilledClass::credit;
    invoice.lines.push_back({table.line(row), *first, *last, std::move(model), {}, billed, count, *amount});
  }
  note(invoice, others, "rows of other services");
  note(invoice, taxes, "rows of taxes");
  invoice.columns_ignored = table.ignored();
  return invoice;
}

}  // namespace

std::optional<Result<Invoice>> read_google_csv(const std::vector<CsvRecord>& records) {
  constexpr std::size_t preamble_max = 30;
  for (std::size_t i = 0; i < std::min(records.size(), preamble_max); ++i) {
    InvoiceTable table{records, i};
    if (table.find({"sku_description"}) != InvoiceTable::absent) return read_rows(InvoiceTable{records, i});
  }
  return std::nullopt;
}

}  // namespace turnpike::app
