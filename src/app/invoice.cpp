#include "app/invoice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "app/invoice_reading.hpp"

namespace turnpike::app {
namespace {

constexpr std::array<std::string_view, billed_classes> class_names{"input",      "cache_read",     "cache_write_5m", "cache_write_1h",
                                                                    "output",     "web_search",     "web_fetch",      "code_execution",
                                                                    "file_search", "whole",         "credit",         "other"};

/// Words behind a model's name that say which of its prices applied, or how finished it is.
constexpr std::array<std::string_view, 18> not_of_the_name{"preview", "latest", "ga",    "text",  "image", "audio", "video",  "input", "output",
                                                            "short",   "long",   "token", "count", "exp",   "tokens", "thinking", "modality", "predictions"};

bool is_date(std::string_view word) {
  return word.size() >= 6 && std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string_view to_string(InvoiceProvider provider) {
  switch (provider) {
    case InvoiceProvider::anthropic: return "anthropic";
    case InvoiceProvider::google: return "google";
    case InvoiceProvider::deepseek: return "deepseek";
  }
  return "anthropic";
}

std::optional<InvoiceProvider> parse_invoice_provider(std::string_view name) {
  for (const auto provider : {InvoiceProvider::anthropic, InvoiceProvider::google, InvoiceProvider::deepseek}) {
    if (to_string(provider) == name) return provider;
  }
  return std::nullopt;
}

std::string_view catalog_id_of(InvoiceProvider provider) { return provider == InvoiceProvider::google ? "gemini" : to_string(provider); }

std::string_view to_string(BilledClass billed) { return class_names[static_cast<std::size_t>(billed)]; }

std::string canonical_model(std::string_view name) {
  std::vector<std::string> words;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) words.push_back(std::exchange(word, {}));
  };
  for (const char raw : name) {
    const auto c = static_cast<unsigned char>(raw);
    if (std::isalnum(c) == 0) {
      finish();
    } else {
      word += static_cast<char>(std::tolower(c));
    }
  }
  finish();
  // "v3.2" and "3-8b" keep their shape: only whole words at the end go.
  while (words.size() > 1 && (is_date(words.back()) || std::ranges::find(not_of_the_name, words.back()) != not_of_the_name.end())) words.pop_back();
  std::string canonical;
  for (const auto& part : words) canonical += (canonical.empty() ? "" : "-") + part;
  return canonical;
}

Result<Invoice> read_invoice(std::string_view bytes, std::optional<InvoiceProvider> wanted) {
  auto invoice = [&]() -> Result<Invoice> {
    if (auto read = read_anthropic_json(bytes)) return std::move(*read);
    const auto records = read_csv(bytes);
    if (!records) return std::unexpected{records.error()};
    for (const auto reader : {read_anthropic_csv, read_deepseek_csv, read_google_csv}) {
      if (auto read = reader(*records)) return std::move(*read);
    }
    return std::unexpected{client_error("bad_invoice",
                                        "this is no export that is known here: its columns are neither those of Claude's Console (usage_date_utc, …), "
                                        "nor of DeepSeek's platform (utc_date, …), nor of Google Cloud Billing (SKU description, …)")};
  }();
  if (!invoice || !wanted || invoice->provider == *wanted) return invoice;
  return std::unexpected{client_error("bad_invoice", fmt::format("this is an export of {}, not of {}", to_string(invoice->provider), to_string(*wanted)))};
}

Result<Invoice> merge(std::vector<Invoice> invoices) {
  Invoice whole = std::move(invoices.front());
  for (std::size_t i = 1; i < invoices.size(); ++i) {
    auto& more = invoices[i];
    if (more.provider != whole.provider) {
      return std::unexpected{client_error("bad_invoice", fmt::format("one file is of {}, another of {}: reconcile them one by one", to_string(whole.provider),
                                                                     to_string(more.provider)))};
    }
    if (!more.currency.empty() && !whole.currency.empty() && more.currency != whole.currency) {
      return std::unexpected{client_error("bad_invoice", fmt::format("one file is in {}, another in {}", whole.currency, more.currency))};
    }
    if (more.zone != whole.zone) {
      return std::unexpected{client_error("bad_invoice", fmt::format("one file's days are those of {}, another's of {}", whole.zone, more.zone))};
    }
    if (whole.currency.empty()) whole.currency = more.currency;
    whole.form += " + " + more.form;
    whole.decimals = std::min(whole.decimals, more.decimals);
    std::ranges::move(more.lines, std::back_inserter(whole.lines));
    for (auto& column : more.columns_ignored) {
      if (std::ranges::find(whole.columns_ignored, column) == whole.columns_ignored.end()) whole.columns_ignored.push_back(std::move(column));
    }
    std::ranges::move(more.notes, std::back_inserter(whole.notes));
  }
  return whole;
}

}  // namespace turnpike::app
