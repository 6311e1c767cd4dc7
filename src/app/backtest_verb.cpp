#include "app/backtest_verb.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/backtest.hpp"
#include "app/config_files.hpp"
#include "app/fail_if.hpp"
#include "app/snapshots.hpp"
#include "app/table.hpp"
#include "app/verb_tools.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

double per_cent(std::int64_t part, std::int64_t all) { return all > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(all) : 0; }

std::string share_text(std::int64_t part, std::int64_t all) { return all > 0 ? fmt::format("{:.1f} %", per_cent(part, all)) : "-"; }

std::string change_text(Credits was, Credits would) {
  if (was.nano() == 0) return would.nano() == 0 ? "0.0 %" : "-";
  return fmt::format("{:+.1f} %", per_cent((would - was).nano(), was.nano()));
}

ordered_json to_json(const BothWays& sums) {
  const auto both = [](auto was, auto would) { return ordered_json{{"was", was}, {"would", would}}; };
  ordered_json json;
  json["steps"] = sums.steps;
  json["moved"] = sums.moved;
  json["refused"] = sums.refused;
  json["cost"] = both(turnpike::to_string(sums.cost_was), turnpike::to_string(sums.cost_would));
  json["frontier_steps"] = both(sums.frontier_was, sums.frontier_would);
  json["frontier_cost"] = both(turnpike::to_string(sums.frontier_cost_was), turnpike::to_string(sums.frontier_cost_would));
  json["prompt_tokens"] = both(sums.prompt_was, sums.prompt_would);
  json["cache_read_tokens"] = both(sums.cache_read_was, sums.cache_read_would);
  json["budget_pressed"] = both(sums.pressed_was, sums.pressed_would);
  json["budget_hits"] = both(sums.budget_hits_was, sums.budget_hits_would);
  return json;
}

ordered_json to_json(const Backtest& test, const std::string& policy, const std::string& version) {
  ordered_json json;
  json["policy"] = policy;
  json["config_version"] = version;
  json["records"] = test.records;
  if (test.first) json["first"] = turnpike::to_rfc3339(*test.first);
  if (test.last) json["last"] = turnpike::to_rfc3339(*test.last);
  json["recorded_under_this_version"] = test.same_version;
  json["left_out"] = {{"undecided", test.undecided}, {"token_counts", test.token_counts}, {"too_old", test.too_old}, {"damaged", test.damaged}};
  json["without_cost"] = test.not_run;
  json["all"] = to_json(test.all);
  json["kinds"] = ordered_json::object();
  for (const auto& [kind, sums] : test.kinds) json["kinds"][std::string{turnpike::to_string(kind)}] = to_json(sums);
  json["moves"] = ordered_json::array();
  for (const auto& [way, move] : test.moves) {
    json["moves"].push_back({{"from", way.first}, {"to", way.second}, {"steps", move.steps}, {"cost_was", turnpike::to_string(move.cost_was)},
                             {"cost_would", turnpike::to_string(move.cost_would)}, {"examples", move.examples}});
  }
  json["model"] = {{"cost", turnpike::to_string(test.model_cost)}, {"recorded", turnpike::to_string(test.model_recorded)}};
  json["thresholds"] = ordered_json::object();
  for (const auto& [scope, threshold] : test.thresholds) json["thresholds"][scope] = threshold;
  return json;
}

void print_kinds(const Backtest& test) {
  Table table{{{"step kind"}, {"steps", Align::right}, {"moved", Align::right}, {"cost was", Align::right}, {"would", Align::right}, {"change", Align::right},
               {"frontier was", Align::right}, {"would", Align::right}}};
  const auto row = [&](std::string name, const BothWays& sums) {
    table.add({std::move(name), std::to_string(sums.steps), std::to_string(sums.moved), turnpike::to_string(sums.cost_was), turnpike::to_string(sums.cost_would),
               change_text(sums.cost_was, sums.cost_would), share_text(sums.frontier_was, sums.steps), share_text(sums.frontier_would, sums.steps)});
  };
  for (const auto& [kind, sums] : test.kinds) {
    if (sums.steps > 0) row(std::string{turnpike::to_string(kind)}, sums);
  }
  row("all", test.all);
  table.print(std::cout);
}

void print_moves(const Backtest& test) {
  if (test.moves.empty()) return;
  Table table{{{"from"}, {"to"}, {"steps", Align::right}, {"cost was", Align::right}, {"would", Align::right}, {"for example"}}};
  for (const auto& [way, move] : test.moves) {
    table.add({way.first, way.second, std::to_string(move.steps), turnpike::to_string(move.cost_was), turnpike::to_string(move.cost_would), move.examples.front()});
  }
  std::cout << '\n';
  table.print(std::cout);
}

void print(const Backtest& test, const std::string& policy) {
  if (test.all.steps == 0) {
    std::cout << "no recorded step in this range that could be decided again\n";
  } else {
    std::cout << fmt::format("policy {} on {}, {} to {}\n\n", policy, counted(test.all.steps, "recorded step"), moment(turnpike::to_rfc3339(*test.first)),
                             moment(turnpike::to_rfc3339(*test.last)));
    print_kinds(test);
    print_moves(test);
    const auto& all = test.all;
    std::cout << fmt::format("\nprompt tokens read from caches: {} was, {} would be\n", share_text(all.cache_read_was, all.prompt_was), share_text(all.cache_read_would, all.prompt_would));
    std::cout << fmt::format("thin budgets changed {} choices, and would {}; refused for want of budget: {} were, {} would ask for more than was left\n", all.pressed_was,
                             all.pressed_would, all.budget_hits_was, all.budget_hits_would);
    if (test.model_recorded.nano() > 0)
      std::cout << fmt::format("the model of caches prices the steps that stay at {}, recorded {} ({})\n", turnpike::to_string(test.model_cost),
                               turnpike::to_string(test.model_recorded), change_text(test.model_recorded, test.model_cost));
  }
  const auto told = [](std::int64_t count, std::string_view what) {
    if (count > 0) std::cout << fmt::format("{:>9}  {}\n", count, what);
  };
  told(test.same_version, "were recorded under this very configuration: decided with the inputs as recorded, threshold included");
  told(test.not_run, "reached no provider or told no usage: no cost of theirs is compared");
  told(test.token_counts, "asked for a count only, left out");
  told(test.undecided, "were refused before anything was decided, left out");
  told(test.too_old, "are of an older form, which lacks what a decision was made from, left out");
  told(test.damaged, "cannot be read, left out");
}

/// The policy under test, with the providers' keys and the credits that the newest kept configuration was loaded with: this
/// process need not have the gateway's environment.
Result<std::shared_ptr<gateway::Snapshot>> rules_under_test(const Config& config, Instant now) {
  auto files = read_config_files(config);
  if (!files) return std::unexpected{files.error()};
  const ConfigArchive archive{config.data};
  for (const auto& version : archive.versions()) {
    const auto kept = archive.files(version);
    if (!kept) continue;
    files->keys_missing = kept->keys_missing;
    break;
  }
  auto rules = load_rules(policy_file(config), config.providers, *files, now);
  if (rules) return *std::move(rules);
  print_faults(rules.error());
  return std::unexpected{gateway_error(500, "bad_config", "the policy or the catalog under test has faults")};
}

int judge(const Backtest& test, const std::vector<FailIf>& conditions, ordered_json* json) {
  int code = 0;
  for (const auto& condition : conditions) {
    if (!condition.met(test.all)) continue;
    code = 1;
    const auto figure = fmt::format("{:+.3f}{}", condition.figure(test.all), condition.percent() ? " %" : "");
    if (json != nullptr) (*json)["failed"].push_back({{"condition", condition.text()}, {"figure", figure}});
    std::cerr << fmt::format("turnpike: backtest fails: {} (it is {})\n", condition.text(), figure);
  }
  return code;
}

}  // namespace

int run_backtest(const Config& configured, const Clock& clock, const BacktestFlags& flags, Output output) {
  std::vector<FailIf> conditions;
  for (const auto& text : flags.fail_if) {
    auto condition = FailIf::parse(text);
    if (!condition) {
      fail(condition.error());
      return exit_usage;
    }
    conditions.push_back(*std::move(condition));
  }
  const auto range = read_range(flags.records, "24h", clock.now());
  if (!range) return fail(range.error());
  Config config = at_data(configured, flags.records.data);
  config.policy = flags.policy;
  if (!flags.providers.empty()) config.providers = flags.providers;
  const auto rules = rules_under_test(config, clock.now());
  if (!rules) {
    fail(rules.error());
    return exit_config;
  }
  auto source = open_records(config, clock, *range);
  if (!source) return fail(source.error());
  Backtest test{*rules};
  for (bool more = true; more;) {
    const auto records = (*source)->next();
    if (!records) return fail(records.error());
    for (const auto& record : *records) test.add(record);
    more = !records->empty();
  }
  // A gate that has compared nothing must not pass for one that has found nothing.
  const auto verdict = [&test](int judged) { return judged == 0 && test.all.steps == 0 ? exit_nothing_compared : judged; };
  if (!output.json) {
    print(test, (*rules)->policy.name);
    return verdict(judge(test, conditions, nullptr));
  }
  auto json = to_json(test, (*rules)->policy.name, (*rules)->version);
  json["failed"] = ordered_json::array();
  const int code = judge(test, conditions, &json);
  print_json(json);
  return verdict(code);
}

void add_backtest(CLI::App& app, const Output& output, Verb& verb) {
  const auto flags = std::make_shared<BacktestFlags>();
  auto* backtest = app.add_subcommand("backtest", "What a policy would have done with recorded steps: moved steps, cost with its caches, frontier share, budgets");
  backtest->add_option("--policy", flags->policy, "The policy under test: a file, or a name of policies/")->required();
  backtest->add_option("--providers", flags->providers, "Folder with the catalog under test; default: the configured one")->check(CLI::ExistingDirectory);
  auto* since = backtest->add_option("--since", flags->records.since, "Date, RFC 3339 instant, or a span back from now; default: 24h");
  backtest->add_option("--limit", flags->records.limit, "Only the newest so many")->check(records_range())->excludes(since);
  backtest->add_option("--data", flags->records.data, "A data directory or a copy of one; default: the configured one, live or not")->check(CLI::ExistingDirectory);
  backtest->add_option("--fail-if", flags->fail_if,
                       "Exit code 1 if it holds; may be repeated: 'cost>+5%', 'moved>10%', 'share>35%', 'frontier>+2%', 'refused>0', 'budget_hits>0'")
      ->allow_extra_args(false);
  backtest->callback([flags, &output, &verb] {
    verb = [flags, &output](const auto& config, const auto& clock) { return run_backtest(config, clock, *flags, output); };
  });
}

}  // namespace turnpike::app
