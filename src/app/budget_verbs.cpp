#include "app/budget_verbs.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "app/budget_sheet.hpp"
#include "app/key_sheet.hpp"
#include "app/operator_link.hpp"
#include "app/page.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

struct BudgetOptions {
  std::string budget, amount, window, by, why, concurrency_max, request_cost_max, conversation_max;
  std::vector<std::string> windows;
  bool frozen = false;
  bool lift = false;
  bool dry_run = false;
};

std::string path_of(const std::string& budget, std::string_view rest = {}) {
  return fmt::format("/admin/budgets/{}{}", percent_encode(budget), rest);
}

ordered_json signed_body(const BudgetOptions& options) {
  ordered_json body{{"by", options.by}, {"dry_run", options.dry_run}};
  if (!options.why.empty()) body["why"] = options.why;
  return body;
}

int list(const Config& config, const Clock& clock, const BudgetOptions&, Output output) {
  auto link = open_link(config, clock);
  if (!link) return fail(link.error());
  const auto budgets = (*link)->ask("GET", "/admin/budgets", "");
  if (!budgets) return fail(budgets.error());
  if (output.json) return print_json(*budgets);
  const auto keys = (*link)->ask("GET", "/admin/keys?all=1", "");
  if (!keys) return fail(keys.error());
  print_budgets((*budgets)["budgets"], (*keys)["keys"], on_terminal(), std::cout);
  return 0;
}

int show(const Config& config, const Clock& clock, const BudgetOptions& options, Output output) {
  const auto answer = ask(config, clock, "GET", path_of(options.budget), {});
  if (!answer) return fail(answer.error());
  if (output.json) return print_json(*answer);
  print_warnings(*answer);
  print_budget(*answer, on_terminal(), std::cout);
  return 0;
}

int history(const Config& config, const Clock& clock, const BudgetOptions& options, Output output) {
  const auto answer = ask(config, clock, "GET", path_of(options.budget, "/history"), {});
  if (!answer) return fail(answer.error());
  if (output.json) return print_json(*answer);
  print_history((*answer)["history"], std::cout);
  return 0;
}

int print_outcome(const Result<ordered_json>& answer, Output output) {
  if (!answer) return fail(answer.error());
  print_warnings(*answer);
  if (output.json) return print_json(*answer);
  const bool dry = (*answer)["dry_run"] == true;
  const auto& changes = (*answer)["changes"];
  std::cout << fmt::format("{}{} (binds {})\n", dry ? "would set " : "set ",
                           cell((*answer)["budget"]),
                           counted((*answer)["keys"].get<std::int64_t>(), "key"));
  if (changes.empty()) std::cout << "  nothing changes\n";
  for (const auto& change : changes) std::cout << "  " << change.get<std::string>() << '\n';
  for (const auto& effect : (*answer)["effects"])
    std::cout << "  = " << effect.get<std::string>() << '\n';
  return 0;
}

int lift(const Config& config, const Clock& clock, const BudgetOptions& options, Output output) {
  return print_outcome(ask(config, clock, "DELETE", path_of(options.budget), signed_body(options)),
                       output);
}

int change(const Config& config, const Clock& clock, const BudgetOptions& options,
           ordered_json what, Output output) {
  auto body = signed_body(options);
  body.update(what);
  return print_outcome(ask(config, clock, "PATCH", path_of(options.budget), body), output);
}

int freeze(const Config& config, const Clock& clock, const BudgetOptions& options, bool frozen,
           Output output) {
  return change(config, clock, options, {{"frozen", frozen}}, output);
}

int move_limit(const Config& config, const Clock& clock, const BudgetOptions& options,
               const char* direction, Output output) {
  ordered_json limit{{"amount", options.amount}};
  if (!options.window.empty()) limit["window"] = options.window;
  ordered_json what;
  what[direction] = std::move(limit);
  return change(config, clock, options, std::move(what), output);
}

int set(const Config& config, const Clock& clock, const BudgetOptions& options, Output output) {
  const bool bounded = !options.concurrency_max.empty() || !options.request_cost_max.empty() ||
                       !options.conversation_max.empty();
  if (options.lift) return lift(config, clock, options, output);
  if (options.windows.empty() && !bounded) {
    if (options.frozen) return freeze(config, clock, options, true, output);
    std::cerr << "turnpike: no limit given; write for example 100/month, or use `turnpike budgets "
                 "lift` to remove the budget\n";
    return exit_usage;
  }
  auto body = signed_body(options);
  body["budget"] = options.budget;
  body["windows"] = options.windows;
  if (options.frozen) body["frozen"] = true;
  if (!options.request_cost_max.empty()) body["request_cost_max"] = options.request_cost_max;
  if (!options.conversation_max.empty()) body["conversation_max"] = options.conversation_max;
  if (!options.concurrency_max.empty())
    body["concurrency_max"] = ordered_json::parse(options.concurrency_max, nullptr, false);
  return print_outcome(ask(config, clock, "PUT", "/admin/budgets", body), output);
}

/// Registers one verb after the other; what they are given is shared, since only one of them runs.
class Registry {
 public:
  Registry(CLI::App& budgets, const Output& output, Verb& verb)
      : budgets_(budgets), output_(output), verb_(verb) {}

  void add_all() {
    add("list", "All budgets as a tree, with what is used", list);
    named(add("show", "One budget: its windows, whom it binds, who set it", show));
    named(add("history", "Who changed it, when and why", history));
    add_set();
    add_limit("raise", "A higher limit, at once and without losing what was counted");
    add_limit("lower",
              "A lower limit; below what is used it stops admission, and running requests finish");
    changing(add("freeze", "Kill switch: admit nothing; `freeze all` stops everybody",
                 [](auto& c, auto& t, auto& o, auto out) { return freeze(c, t, o, true, out); }));
    changing(add("unfreeze", "Admit again, within the limits as they are",
                 [](auto& c, auto& t, auto& o, auto out) { return freeze(c, t, o, false, out); }));
    changing(add("lift", "Remove a budget, a freeze too", lift));
  }

 private:
  using Run = std::function<int(const Config&, const Clock&, const BudgetOptions&, Output)>;

  CLI::App* add(const std::string& name, const std::string& help, Run run) {
    auto* sub = budgets_.add_subcommand(name, help);
    sub->callback([options = options_, run = std::move(run), &verb = verb_, &output = output_] {
      verb = [options, run, &output](const Config& config, const Clock& clock) {
        return run(config, clock, *options, output);
      };
    });
    return sub;
  }
  CLI::App* named(CLI::App* sub) {
    sub->add_option("budget", options_->budget,
                    "all, org:NAME, team:ORG/NAME, user:ORG/NAME or key:KEY; also with provider:P, "
                    "model:P/M or tier:T behind it, in quotes")
        ->required();
    return sub;
  }
  CLI::App* changing(CLI::App* sub) {
    named(sub);
    sub->add_option("--why", options_->why, "Why, for the journal");
    sub->add_option("--by", options_->by,
                    "Who does it, for the journal; default: your user name here")
        ->default_val(operating_user());
    sub->add_flag("--dry-run", options_->dry_run, "Only say what it would mean");
    return sub;
  }
  void add_set() {
    auto* sub =
        changing(add("set", "Replace a budget's limits; frozen or not stays as it is", set));
    sub->add_option("windows", options_->windows,
                    "100/month, 5/day@Europe/Berlin, 20/lifetime, 3/rolling:6h, "
                    "100/month,paced,notify=70,prefer_cheap=85,cheap_only=95");
    sub->add_option("--concurrency-max", options_->concurrency_max, "Requests at once below it")
        ->check(CLI::Range(1, 1'000'000));
    sub->add_option("--request-cost-max", options_->request_cost_max,
                    "Credits one request may cost at most");
    sub->add_option("--conversation-max", options_->conversation_max,
                    "Credits each conversation below it may cost at most");
    sub->add_flag("--frozen", options_->frozen, "Admit nothing; the limits stay");
    sub->add_flag("--lift", options_->lift, "As `budgets lift`");
  }
  void add_limit(const char* direction, const std::string& help) {
    auto* sub = changing(add(direction, help, [direction](auto& c, auto& t, auto& o, auto out) {
      return move_limit(c, t, o, direction, out);
    }));
    sub->add_option("amount", options_->amount, "The new limit, or by how much: 150, +50, -20")
        ->required();
    sub->add_option("--window", options_->window,
                    "Which one, where there are several: month, day@Europe/Berlin, rolling:6h");
  }

  CLI::App& budgets_;
  const Output& output_;
  Verb& verb_;
  std::shared_ptr<BudgetOptions> options_ = std::make_shared<BudgetOptions>();
};

}  // namespace

void add_budget_verbs(CLI::App& app, const Output& output, Verb& verb) {
  auto* budgets = app.add_subcommand("budgets", "What may be spent by whom")->require_subcommand(1);
  Registry{*budgets, output, verb}.add_all();
}

}  // namespace turnpike::app
