#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "account/fields.hpp"
#include "app/invoice.hpp"
#include "app/ledger_days.hpp"
#include "app/page.hpp"
#include "app/reconcile.hpp"
#include "app/report_pages.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

/// What an operator asks for.
struct Request {
  std::vector<std::string> files;
  std::optional<InvoiceProvider> provider;
  std::string ledger_provider;  // id in providers/; empty: as shipped
  std::string rate;             // USD for one unit of the invoice's currency
  std::vector<std::string> keys;
  Credits tolerance = Credits::from_nano(1'000'000'000);  // percent
};

std::unexpected<Error> fault(std::string message, std::string_view field) {
  return std::unexpected{client_error("bad_request", std::move(message), std::string{field})};
}

Result<Request> read_request(const std::string& text) {
  const auto body = ordered_json::parse(text, nullptr, false);
  if (!body.is_object() || !body.contains("files") || !body["files"].is_array() || body["files"].empty()) {
    return fault("the body must be an object with a list of files", "files");
  }
  Request request;
  try {
    request.files = body["files"].get<std::vector<std::string>>();
    request.keys = body.value("keys", std::vector<std::string>{});
    request.ledger_provider = body.value("ledger_provider", "");
    request.rate = body.value("rate", "");
    const auto provider = body.value("provider", "");
    request.provider = parse_invoice_provider(provider);
    if (!provider.empty() && !request.provider) return fault("provider knows anthropic, google and deepseek", "provider");
    if (const auto tolerance = body.value("tolerance", ""); !tolerance.empty()) {
      const auto percent = parse_credits(tolerance);
      if (!percent || *percent < Credits{}) return fault("tolerance is a percentage such as 1 or 0.5", "tolerance");
      request.tolerance = *percent;
    }
  } catch (const nlohmann::json::exception&) {
    return fault("a field of the body has the wrong type", "body");
  }
  return request;
}

/// Credits for one unit of the invoice's currency.
Result<std::optional<catalog::Decimal>> credits_per_unit(const Invoice& invoice, const Request& request, const std::string& credits_per_usd) {
  const auto usd = catalog::parse_decimal(credits_per_usd).value_or(catalog::Decimal{1, 0});
  const bool dollars = invoice.currency.empty() || invoice.currency == "USD";
  if (request.rate.empty()) return dollars ? std::optional{usd} : std::nullopt;
  const auto rate = catalog::parse_decimal(request.rate);
  catalog::Decimal product;
  if (rate) product.scale = rate->scale + usd.scale;
  constexpr int scale_max = 18;
  if (!rate || rate->mantissa <= 0 || product.scale > scale_max || __builtin_mul_overflow(rate->mantissa, usd.mantissa, &product.mantissa)) {
    return fault(quoted_for_message(request.rate) + " is no rate; write USD for one unit, for example 0.14", "rate");
  }
  return product;
}

Result<Invoice> read_files(const Request& request) {
  std::vector<Invoice> invoices;
  for (const auto& file : request.files) {
    auto invoice = read_invoice(file, request.provider);
    if (!invoice) return std::unexpected{invoice.error()};
    invoices.push_back(std::move(*invoice));
  }
  return merge(std::move(invoices));
}

Result<LedgerDays> read_ledger(account::Ledger& ledger, const std::string& provider, const Invoice& invoice) {
  LedgerDays days{provider, invoice.zone};
  const auto range = days_of(invoice);
  if (!range) return days;
  const auto corrections = ledger.definitions(account::EntryKind::correction);
  if (!corrections) return std::unexpected{corrections.error()};
  for (const auto& entry : *corrections) {
    if (const auto settled = account::Fields{entry.detail}.number("entry")) days.correct(*settled, Credits::from_nano(entry.amount));
  }
  // Beyond the last day for attempts that were admitted on it and ended on the next.
  const auto [since, until] = days.span(range->first, range->second);
  const auto read = ledger.each_charge({since, until + account::ChargeReader::lead}, [&](const account::Charge& charge) { days.add(charge); });
  if (!read) return std::unexpected{read.error()};
  return days;
}

/// The catalog's price of a model by its canonical name, at the day's noon.
std::optional<Rates> list_price(const catalog::Catalog& catalog, std::string_view provider, const std::string& canonical, std::chrono::sys_days day) {
  for (const auto& model : catalog.models()) {
    if (model.provider != provider || canonical_model(model.id) != canonical) continue;
    const auto quote = catalog::quote_at(model.prices, Instant{day} + std::chrono::hours{12}, std::chrono::seconds{0});
    if (quote) return quote->tiers[0].rates;
  }
  return std::nullopt;
}

std::string text_of(std::chrono::sys_days day) { return to_rfc3339(Instant{day}).substr(0, 10); }

void put(ordered_json& json, const char* name, Credits amount) {
  json[name] = turnpike::to_string(amount);
  json[std::string{name} + "_nano"] = amount.nano();
}

ordered_json to_json(const std::vector<CauseAmount>& causes) {
  auto list = ordered_json::array();
  for (const auto& cause : causes) {
    ordered_json json{{"cause", to_string(cause.cause)}};
    put(json, "amount", cause.amount);
    json["detail"] = cause.detail;
    list.push_back(std::move(json));
  }
  return list;
}

ordered_json to_json(const ReconcileRow& row) {
  ordered_json json{{"model", row.model}, {"first_day", text_of(row.first)}, {"last_day", text_of(row.last)}};
  put(json, "invoice", row.invoice);
  json["invoice_computed"] = row.computed;
  put(json, "ledger_exact", row.exact);
  put(json, "ledger_estimated", row.estimated);
  put(json, "ledger_corrections", row.corrections);
  put(json, "difference", row.difference);
  json["causes"] = to_json(row.causes);
  json["classes"] = ordered_json::array();
  for (const auto& difference : row.classes) {
    json["classes"].push_back({{"class", to_string(difference.billed)},
                               {"invoice_count", difference.invoice_count ? ordered_json(*difference.invoice_count) : ordered_json(nullptr)},
                               {"ledger_count", difference.ledger_count},
                               {"invoice_amount", difference.invoice_amount ? ordered_json(turnpike::to_string(*difference.invoice_amount)) : ordered_json(nullptr)},
                               {"ledger_amount", turnpike::to_string(difference.ledger_amount)}});
  }
  return json;
}

ordered_json to_json(const Reconciliation& result, const Invoice& invoice, Credits tolerance) {
  ordered_json json{{"form", invoice.form}, {"provider", to_string(invoice.provider)}, {"currency", invoice.currency}, {"zone", invoice.zone}};
  json["rows"] = ordered_json::array();
  for (const auto& row : result.rows) json["rows"].push_back(to_json(row));
  put(json, "invoice", result.invoice);
  put(json, "ledger_exact", result.exact);
  put(json, "ledger_estimated", result.estimated);
  put(json, "ledger_corrections", result.corrections);
  put(json, "difference", result.difference);
  put(json, "apart", result.apart);
  json["causes"] = to_json(result.causes);
  json["tolerance_percent"] = turnpike::to_string(tolerance);
  json["within"] = result.within(tolerance);
  json["columns_ignored"] = invoice.columns_ignored;
  json["notes"] = invoice.notes;
  for (const auto& note : result.notes) json["notes"].push_back(note);
  if (invoice.currency.empty()) json["notes"].push_back("the export names no currency: taken as USD");
  return json;
}

}  // namespace

WholeReply reconcile_page(const ReportSources& sources, const std::string& body) {
  const auto request = read_request(body);
  if (!request) return fault_page(request.error());
  const auto invoice = read_files(*request);
  if (!invoice) return fault_page(invoice.error());
  const std::string provider = request->ledger_provider.empty() ? std::string{catalog_id_of(invoice->provider)} : request->ledger_provider;
  const auto days = read_ledger(sources.ledger, provider, *invoice);
  if (!days) return fault_page(days.error());
  const auto rate = credits_per_unit(*invoice, *request, sources.credits_per_usd);
  if (!rate) return fault_page(rate.error());
  ReconcileOptions options{*rate, request->keys, nullptr};
  if (const auto planned = sources.planned()) {
    options.list_price = [planned, &provider](const std::string& canonical, std::chrono::sys_days day) {
      return list_price(planned->catalog, provider, canonical, day);
    };
  }
  const auto result = reconcile(*invoice, *days, options);
  if (!result) return fault_page(result.error());
  return page(to_json(*result, *invoice, request->tolerance));
}

}  // namespace turnpike::app
