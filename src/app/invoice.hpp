// A provider's own account of what was used: its console's and API's exports, read into lines of one form. The shapes,
// with the columns each must have, are in docs/reports.md; everything beyond those columns is ignored and named.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "turnpike/error.hpp"

namespace turnpike::app {

enum class InvoiceProvider : std::uint8_t { anthropic, google, deepseek };
std::string_view to_string(InvoiceProvider provider);
std::optional<InvoiceProvider> parse_invoice_provider(std::string_view name);
/// Its id in providers/ as shipped.
std::string_view catalog_id_of(InvoiceProvider provider);

/// What one line is about. The first nine are priced by the ledger, too.
enum class BilledClass : std::uint8_t {
  input,
  cache_read,
  cache_write_5m,
  cache_write_1h,
  output,
  web_search,
  web_fetch,
  code_execution,
  file_search,
  whole,   // the sum of a day and model, without classes
  credit,  // taken off by the provider: free credits, discounts
  other,   // something the gateway does not buy: storage, tuning
};
inline constexpr std::size_t billed_classes = 12;
inline constexpr std::size_t priced_classes = 9;
std::string_view to_string(BilledClass billed);

/// Millionths of a millionth of a currency's unit.
using PicoMoney = std::int64_t;

struct InvoiceLine {
  int line = 0;  // of the file; 0 in JSON
  std::chrono::sys_days first{};
  std::chrono::sys_days last{};  // the same day but for exports that sum up several
  std::string model;             // canonical_model() of what the file says; empty: of no model
  std::string key;               // name of the provider's API key; may be empty
  BilledClass billed = BilledClass::other;
  std::optional<std::int64_t> count;  // tokens or calls
  std::optional<PicoMoney> amount;    // in the invoice's currency
};

struct Invoice {
  InvoiceProvider provider = InvoiceProvider::anthropic;
  std::string form;            // "Claude Console, cost (CSV)"
  std::string zone = "UTC";    // whose days its lines are cut into
  std::string currency;        // ISO code; empty: the file does not say
  int decimals = 12;           // digits behind the point that its amounts are written with, at most
  std::vector<InvoiceLine> lines;
  std::vector<std::string> columns_ignored;
  std::vector<std::string> notes;  // rows left out and why
};

/// Recognises the form by its columns. `wanted` refuses exports of others; a missing column is an error that names it.
Result<Invoice> read_invoice(std::string_view bytes, std::optional<InvoiceProvider> wanted);

/// One invoice of several files of the same provider: counts and amounts often come in two.
Result<Invoice> merge(std::vector<Invoice> invoices);

/// One spelling for what vendors write in several: "Claude Haiku 4.5", "claude-haiku-4-5-20251001" and
/// "claude-haiku-4-5" are one model, "gemini 3.1 pro preview short text" is "gemini-3-1-pro".
std::string canonical_model(std::string_view name);

}  // namespace turnpike::app
