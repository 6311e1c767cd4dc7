#include "app/report_verbs.hpp"

#include <CLI/CLI.hpp>
#include <memory>

namespace turnpike::app {
namespace {

/// What the flags of all reports are read into; lives as long as the verbs that use it.
struct ReportFlags {
  SpendOptions spend;
  ReconcileFlags reconcile;
  ViabilityFlags viability;
  std::string format = "table";
};

Format format_of(const ReportFlags& flags, const Output& output) {
  return output.json ? Format::json : parse_format(flags.format).value_or(Format::table);
}

void add_format(CLI::App& verb, ReportFlags& flags) {
  verb.add_option("--format", flags.format, "table, csv or json")->capture_default_str()->check(CLI::IsMember({"table", "csv", "json"}));
}

void add_reconcile_options(CLI::App& verb, ReconcileFlags& flags) {
  verb.add_option("--provider", flags.provider, "Whose export it must be: anthropic, google, deepseek; default: recognised by its columns");
  verb.add_option("--ledger-provider", flags.ledger_provider, "The provider's id in providers/; default: anthropic, gemini, deepseek");
  verb.add_option("--provider-key", flags.keys, "Name of a provider's key that the gateway uses; may be repeated. Lines of other keys are set apart");
  verb.add_option("--rate", flags.rate, "USD for one unit of the export's currency, for example 0.14");
  verb.add_option("--tolerance", flags.tolerance, "Per cent that invoice and ledger may differ by")->capture_default_str();
}

void add_spend(CLI::App& report, const std::shared_ptr<ReportFlags>& flags, const Output& output, Verb& verb) {
  auto* spend = report.add_subcommand("spend", "Credits spent, by whom and on what");
  spend->add_option("--by", flags->spend.by,
                    "Columns, separated by commas: key, user, team, org, model, provider, tier, price, hour, day, week, month, settlement, cause; "
                    "default: model");
  spend->add_option("--every", flags->spend.every, "A row for each hour, day, week or month, also for those without spending");
  spend->add_option("--since", flags->spend.since, "Date, RFC 3339 instant, or a span back from now: 24h, 7d, 2w");
  spend->add_option("--until", flags->spend.until, "Likewise; what begins then is left out");
  add_format(*spend, *flags);
  spend->add_option("--invoice", flags->reconcile.files, "A provider's usage or cost export: reconcile it with the ledger (as `report reconcile` does)")->check(CLI::ExistingFile);
  add_reconcile_options(*spend, flags->reconcile);
  spend->callback([flags, &output, &verb] {
    verb = [flags, &output](const auto& config, const auto& clock) {
      if (!flags->reconcile.files.empty()) return run_report_reconcile(config, clock, flags->reconcile, format_of(*flags, output));
      return run_report_spend(config, clock, flags->spend, format_of(*flags, output));
    };
  });
}

void add_reconcile(CLI::App& report, const std::shared_ptr<ReportFlags>& flags, const Output& output, Verb& verb) {
  auto* reconcile = report.add_subcommand("reconcile", "A provider's usage or cost export against the ledger; exit code 1 if they differ by more than the tolerance");
  reconcile->add_option("files", flags->reconcile.files, "Exports of one provider: counts and costs often come in two files")->required()->check(CLI::ExistingFile);
  add_reconcile_options(*reconcile, flags->reconcile);
  add_format(*reconcile, *flags);
  reconcile->callback([flags, &output, &verb] {
    verb = [flags, &output](const auto& config, const auto& clock) { return run_report_reconcile(config, clock, flags->reconcile, format_of(*flags, output)); };
  });
}

void add_forecast(CLI::App& report, const std::shared_ptr<ReportFlags>& flags, const Output& output, Verb& verb) {
  auto* forecast = report.add_subcommand("forecast", "When each budget ends at the present burn, and the bill after the next dated prices");
  add_format(*forecast, *flags);
  forecast->callback([flags, &output, &verb] {
    verb = [flags, &output](const auto& config, const auto& clock) { return run_report_forecast(config, clock, format_of(*flags, output)); };
  });
}

void add_viability(CLI::App& report, const std::shared_ptr<ReportFlags>& flags, const Output& output, Verb& verb) {
  auto* viability = report.add_subcommand("viability", "Can a share of the steps move to a candidate? yes, no or not enough data, from shadow runs (docs/shadow.md)");
  auto& asked = flags->viability;
  viability->add_option("--candidate", asked.candidate, "provider/model, as in the policy's [shadow]")->required();
  viability->add_option("--share", asked.share, "Part of the steps that would move, the easiest ones; default: 0.7");
  viability->add_option("--since", asked.since, "Date, RFC 3339 instant, or a span back from now: 24h, 7d; default: all pairs");
  viability->add_option("--until", asked.until, "Likewise");
  viability->add_option("--margin", asked.margin, "How much worse it may be, as a part of the steps; default: 0.05");
  viability->add_option("--confidence", asked.confidence, "Of the intervals; default: 0.95");
  viability->add_option("--baseline-agreement", asked.baseline_agreement, "How often two answers of the live model agree, where [shadow] self_sample has not measured it");
  add_format(*viability, *flags);
  viability->callback([flags, &output, &verb] {
    verb = [flags, &output](const auto& config, const auto& clock) { return run_report_viability(config, clock, flags->viability, format_of(*flags, output)); };
  });
}

}  // namespace

void add_reports(CLI::App& app, const Output& output, Verb& verb) {
  auto* report = app.add_subcommand("report", "What was spent, what will be, and whether a provider's bill agrees")->require_subcommand(1);
  const auto flags = std::make_shared<ReportFlags>();
  add_spend(*report, flags, output, verb);
  add_forecast(*report, flags, output, verb);
  add_reconcile(*report, flags, output, verb);
  add_viability(*report, flags, output, verb);
}

}  // namespace turnpike::app
