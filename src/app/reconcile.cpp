#include "app/reconcile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "app/invoice_reading.hpp"
#include "app/reconcile_causes.hpp"

namespace turnpike::app {
namespace {

__extension__ using Wide = __int128;

using std::chrono::days;
using std::chrono::sys_days;

std::size_t index_of(BilledClass billed) { return static_cast<std::size_t>(billed); }

/// A model's stretch of days that some line covers as one.
struct Period {
  sys_days first{};
  sys_days last{};
};

/// Lines that overlap are compared together: a month's row and a day's cannot be told apart in the ledger.
std::map<std::string, std::vector<Period>> periods_of(const Invoice& invoice, const LedgerDays& ledger) {
  std::map<std::string, std::vector<Period>> periods;
  for (const auto& line : invoice.lines) periods[line.model].push_back({line.first, line.last});
  if (const auto whole = days_of(invoice)) {
    for (const auto& [key, cell] : ledger.cells()) {
      if (key.second >= whole->first && key.second <= whole->second) periods[key.first].push_back({key.second, key.second});
    }
  }
  for (auto& item : periods) {
    auto& list = item.second;
    std::ranges::sort(list, {}, &Period::first);
    std::vector<Period> joined;
    for (const auto& period : list) {
      if (!joined.empty() && period.first <= joined.back().last) {
        joined.back().last = std::max(joined.back().last, period.last);
      } else {
        joined.push_back(period);
      }
    }
    list = std::move(joined);
  }
  return periods;
}

class Reconciler {
 public:
  Reconciler(const Invoice& invoice, const LedgerDays& ledger, const ReconcileOptions& options) : invoice_(invoice), ledger_(ledger), options_(options) {}

  Reconciliation run() {
    for (const auto& [model, periods] : periods_of(invoice_, ledger_)) {
      Credits apart;
      for (const auto& period : periods) {
        auto row = compare(model, period);
        result_.invoice += row.invoice;
        result_.exact += row.exact;
        result_.estimated += row.estimated;
        result_.corrections += row.corrections;
        result_.difference += row.difference;
        apart += row.difference;
        for (const auto& cause : row.causes) add_cause(cause);
        result_.rows.push_back(std::move(row));
      }
      result_.apart += apart < Credits{} ? -apart : apart;
    }
    for (const auto& text : unpriced_) result_.notes.push_back("no price is known for " + text + ": its tokens are counted as free");
    return std::move(result_);
  }

 private:
  /// In credits; nothing where the currency cannot be compared.
  [[nodiscard]] std::optional<Credits> credits(const std::optional<PicoMoney>& money) const {
    if (!money || !options_.credits_per_unit) return std::nullopt;
    const auto& rate = *options_.credits_per_unit;
    Wide scale = 1000;  // pico to nano
    for (int i = 0; i < rate.scale; ++i) scale *= 10;
    const Wide pico = Wide{*money} * rate.mantissa;
    const Wide half = scale / 2;
    const Wide nano = (pico + (pico < 0 ? -half : half)) / scale;
    return Credits::from_nano(static_cast<std::int64_t>(std::clamp<Wide>(nano, INT64_MIN, INT64_MAX)));
  }

  [[nodiscard]] bool ours(const InvoiceLine& line) const {
    return options_.keys.empty() || line.key.empty() || std::ranges::find(options_.keys, line.key) != options_.keys.end();
  }

  Billed billed_in(const std::string& model, const Period& period) const {
    Billed billed;
    for (const auto& line : invoice_.lines) {
      if (line.model != model || line.first < period.first || line.first > period.last) continue;
      const auto amount = credits(line.amount);
      if (!ours(line)) {
        billed.other_keys += amount.value_or(Credits{});
        continue;
      }
      ++billed.lines;
      auto& sum = billed.classes[index_of(line.billed)];
      if (line.count) sum.count = saturating_sum(sum.count.value_or(0), *line.count);
      if (amount) sum.amount = sum.amount.value_or(Credits{}) + *amount;
    }
    return billed;
  }

  /// Half a unit of the last digit that amounts are written with, per line.
  [[nodiscard]] Credits rounding_of(std::int64_t lines) const {
    PicoMoney unit = 1'000'000'000'000;
    for (int i = 0; i < invoice_.decimals; ++i) unit /= 10;
    const auto half = credits(unit / 2 + 1).value_or(Credits{});
    return Credits::from_nano((half.nano() + 1) * std::max<std::int64_t>(lines, 1));
  }

  ReconcileRow compare(const std::string& model, const Period& period) {
    Comparison comparison;
    comparison.billed = billed_in(model, period);
    for (auto day = period.first; day <= period.last; day += days{1}) {
      const auto found = ledger_.cells().find({model, day});
      if (found != ledger_.cells().end()) comparison.ledger += found->second;
    }
    comparison.one_day = period.first == period.last;
    comparison.rounding = rounding_of(comparison.billed.lines);
    fill_prices(comparison, model, period.first);
    ReconcileRow row;
    row.model = ledger_.name_of(model);
    if (row.model.empty()) row.model = model.empty() ? "(no model)" : model;
    row.first = period.first;
    row.last = period.last;
    row.exact = comparison.ledger.exact_amount;
    row.estimated = comparison.ledger.estimated_amount();
    row.corrections = comparison.ledger.corrections;
    row.computed = !comparison.billed.has_amounts() && comparison.billed.lines > 0;
    row.invoice = comparison.invoice_total();
    row.difference = row.invoice - row.exact - row.estimated - row.corrections;
    row.causes = explain(comparison);
    row.classes = classes_of(comparison);
    return row;
  }

  /// The ledger's average where it charged the class, else the catalog's.
  void fill_prices(Comparison& comparison, const std::string& model, sys_days day) {
    std::optional<std::array<std::int64_t, priced_classes>> listed;
    for (std::size_t i = 0; i < priced_classes; ++i) {
      auto& price = comparison.prices[i];
      if (comparison.ledger.counts[i] > 0) {
        price = {comparison.ledger.pico[i], comparison.ledger.counts[i], comparison.ledger.rate_least[i] == comparison.ledger.rate_most[i]};
        continue;
      }
      if (comparison.billed.classes[i].count.value_or(0) == 0) continue;
      if (!listed && options_.list_price) {
        if (const auto rates = options_.list_price(model, day)) listed = rates_of(*rates);
      }
      if (listed) {
        price = {(*listed)[i], 1, true};
      } else if (!comparison.billed.classes[i].amount) {
        unpriced_.insert(model);
      }
    }
  }

  static std::vector<ClassDifference> classes_of(const Comparison& comparison) {
    std::vector<ClassDifference> classes;
    for (std::size_t i = 0; i < billed_classes; ++i) {
      const auto& billed = comparison.billed.classes[i];
      const auto count = i < priced_classes ? comparison.ledger.counts[i] : 0;
      if (!billed.count && !billed.amount && count == 0) continue;
      const auto pico = i < priced_classes ? comparison.ledger.pico[i] : 0;
      classes.push_back({static_cast<BilledClass>(i), billed.count, count, billed.amount, Credits::from_nano(pico / 1000)});
    }
    return classes;
  }

  void add_cause(const CauseAmount& cause) {
    const auto found = std::ranges::find(result_.causes, cause.cause, &CauseAmount::cause);
    if (found == result_.causes.end()) {
      result_.causes.push_back({cause.cause, cause.amount, {}});
    } else {
      found->amount += cause.amount;
    }
  }

  const Invoice& invoice_;
  const LedgerDays& ledger_;
  const ReconcileOptions& options_;
  std::set<std::string> unpriced_;
  Reconciliation result_;
};

}  // namespace

bool Reconciliation::within(Credits percent) const {
  return Wide{apart.nano()} * 100 * 1'000'000'000 <= Wide{percent.nano()} * std::max(invoice, invoice - difference).nano();
}

std::optional<std::pair<sys_days, sys_days>> days_of(const Invoice& invoice) {
  if (invoice.lines.empty()) return std::nullopt;
  auto range = std::pair{invoice.lines.front().first, invoice.lines.front().last};
  for (const auto& line : invoice.lines) range = {std::min(range.first, line.first), std::max(range.second, line.last)};
  return range;
}

Result<Reconciliation> reconcile(const Invoice& invoice, const LedgerDays& ledger, const ReconcileOptions& options) {
  const bool counts = std::ranges::any_of(invoice.lines, [](const InvoiceLine& line) { return line.count.has_value(); });
  if (!counts && !options.credits_per_unit && !invoice.lines.empty()) {
    return std::unexpected{client_error(
        "bad_invoice", fmt::format("the amounts are in {} and there are no counts to compare instead; give --rate, USD for one {}",
                                   invoice.currency.empty() ? "an unnamed currency" : invoice.currency, invoice.currency.empty() ? "unit" : invoice.currency))};
  }
  auto result = Reconciler{invoice, ledger, options}.run();
  if (!options.credits_per_unit && !invoice.lines.empty()) {
    result.notes.push_back(fmt::format("amounts in {} are not compared; counts are, at the ledger's prices (--rate compares amounts)",
                                       invoice.currency.empty() ? "an unnamed currency" : invoice.currency));
  }
  return result;
}

}  // namespace turnpike::app
