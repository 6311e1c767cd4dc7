// `turnpike report …`: what was spent, what will be, and whether a provider's bill agrees.
#pragma once

#include <string>
#include <vector>

#include "app/commands.hpp"
#include "app/config.hpp"
#include "app/report_sheet.hpp"
#include "turnpike/clock.hpp"

namespace CLI {
class App;
}

namespace turnpike::app {

/// Adds the verbs; parsing one sets `verb`. `output` is the command line's own --json.
void add_reports(CLI::App& app, const Output& output, Verb& verb);

struct SpendOptions {
  std::string by, every, since, until;
};
int run_report_spend(const Config& config, const Clock& clock, const SpendOptions& options, Format format);
struct ReconcileFlags {
  std::vector<std::string> files;
  std::string provider, ledger_provider, rate, tolerance = "1";
  std::vector<std::string> keys;
};
/// 0: within the tolerance, 1: not.
int run_report_reconcile(const Config& config, const Clock& clock, const ReconcileFlags& flags, Format format);
struct ViabilityFlags {
  std::string candidate, share, since, until, margin, confidence, baseline_agreement;
};
int run_report_viability(const Config& config, const Clock& clock, const ViabilityFlags& flags, Format format);
int run_report_forecast(const Config& config, const Clock& clock, Format format);

}  // namespace turnpike::app
