#include "app/commands.hpp"

#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "account/verify.hpp"
#include "app/json_pages.hpp"
#include "app/operator_link.hpp"
#include "app/page.hpp"
#include "app/snapshots.hpp"
#include "app/table.hpp"
#include "app/wiring.hpp"
#include "classify/jsonl.hpp"
#include "dialect/facts_line.hpp"
#include "policy/check.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {
namespace {

using nlohmann::ordered_json;

/// One admin request by whichever way reaches the ledger.
Result<ordered_json> ask(const Config& config, const Clock& clock, std::string_view method, const std::string& target,
                         const ordered_json& body = {}) {
  auto link = open_link(config, clock);
  if (!link) return std::unexpected{link.error()};
  return (*link)->ask(method, target, body.is_null() ? std::string{} : body.dump());
}

std::string text_of(const ordered_json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

int print_json(const ordered_json& json) {
  std::cout << json.dump(2) << '\n';
  return 0;
}

}  // namespace

int exit_code_of(const Error& error) {
  if (error.code == "store_locked") return exit_store_locked;
  if (error.code == "no_keys") return exit_config;
  return error.code.starts_with("store_") ? exit_store_failed : 1;
}

void print_faults(const std::vector<catalog::Fault>& faults) {
  for (const auto& fault : faults) std::cerr << to_string(fault) << '\n';
}

int fail(const Error& error) {
  std::cerr << "turnpike: " << error.message << '\n';
  return exit_code_of(error);
}

int run_serve(const Config& config, const Clock& clock) {
  auto snapshot = build_snapshot(config, clock.now(), nullptr);
  if (!snapshot) {
    print_faults(snapshot.error());
    return exit_config;
  }
  print_faults((*snapshot)->policy.warnings());
  auto application = Application::make(config, std::move(*snapshot), clock);
  if (!application) return fail(application.error());
  start_logging(2, config.log_level);
  const int code = (*application)->run();
  application->reset();
  stop_logging();
  return code;
}

int run_check(const Config& config, const Clock& clock, Output output) {
  const auto faults = policy::check_all(config.providers, config.policies, config.policy, load_options(config), clock.now());
  const bool refused = catalog::has_errors(faults);
  if (output.json) {
    ordered_json json;
    json["ok"] = !refused;
    json["faults"] = ordered_json::array();
    for (const auto& fault : faults) {
      json["faults"].push_back({{"file", fault.file}, {"line", fault.line}, {"column", fault.column}, {"message", fault.message},
                                {"severity", fault.severity == catalog::Severity::error ? "error" : "warning"}});
    }
    print_json(json);
  } else {
    print_faults(faults);
    std::cout << (refused ? "refused" : "ok") << ": policy " << config.policy << '\n';
  }
  return refused ? 1 : 0;
}

int run_reload(const Config& config, const Clock& clock) {
  const auto answer = ask(config, clock, "POST", "/admin/reload");
  if (!answer) return fail(answer.error());
  for (const auto& fault : answer->value("faults", ordered_json::array())) std::cerr << fault.get<std::string>() << '\n';
  std::cout << answer->value("result", "unknown") << ": policy " << answer->value("policy", "?") << '\n';
  return answer->value("result", "") == "applied" ? 0 : 1;
}

int run_classify() {
  SystemClock clock;
  const auto done = classify::classify_jsonl(std::cin, std::cout, classify::Classifier::built_in(), dialect::read_facts_line, clock);
  return done ? 0 : fail(done.error());
}

int run_keys_create(const Config& config, const Clock& clock, const KeyOptions& key, Output output) {
  ordered_json body{{"name", key.name}, {"org", key.org}, {"team", key.team}, {"user", key.user},
                    {"models_allowed", key.models}, {"may_override_route", key.may_override_route},
                    {"request_cost_max", key.request_cost_max}, {"expires", key.expires}, {"by", key.by}};
  auto link = open_link(config, clock);
  if (!link) return fail(link.error());
  // A wrong limit is found before the key exists: its secret would be lost with the error.
  for (const auto& window : key.budgets) {
    if (const auto rule = read_window(window); !rule) return fail(rule.error());
  }
  const auto created = (*link)->ask("POST", "/admin/keys", body.dump());
  if (!created) return fail(created.error());
  if (!key.budgets.empty()) {
    const ordered_json budget{{"budget", "key:" + (*created)["id"].get<std::string>()}, {"windows", key.budgets}, {"by", key.by}};
    if (const auto set = (*link)->ask("PUT", "/admin/budgets", budget.dump()); !set) return fail(set.error());
  }
  if (output.json) return print_json(*created);
  std::cout << (*created)["key"].get<std::string>() << '\n';
  std::cerr << "This is the only time the key is shown. Its id is " << (*created)["id"].get<std::string>() << ".\n";
  return 0;
}

int run_keys_list(const Config& config, const Clock& clock, Output output) {
  const auto answer = ask(config, clock, "GET", "/admin/keys");
  if (!answer) return fail(answer.error());
  if (output.json) return print_json(*answer);
  Table table{{{"id"}, {"name"}, {"org"}, {"team"}, {"user"}, {"created"}, {"expires"}, {"revoked"}}};
  for (const auto& key : (*answer)["keys"]) {
    table.add({text_of(key["id"]), text_of(key["name"]), text_of(key["org"]), text_of(key["team"]), text_of(key["user"]),
               text_of(key["created"]), text_of(key["expires"]), text_of(key["revoked"])});
  }
  table.print(std::cout);
  return 0;
}

int run_keys_revoke(const Config& config, const Clock& clock, const std::string& id) {
  const auto answer = ask(config, clock, "DELETE", "/admin/keys/" + percent_encode(id));
  if (!answer) return fail(answer.error());
  std::cout << "revoked " << id << '\n';
  return 0;
}

int run_budgets_list(const Config& config, const Clock& clock, Output output) {
  const auto answer = ask(config, clock, "GET", "/admin/budgets");
  if (!answer) return fail(answer.error());
  if (output.json) return print_json(*answer);
  Table table{{{"budget"}, {"window"}, {"settled", Align::right}, {"reserved", Align::right}, {"limit", Align::right}, {"ends"}, {"pressure"}}};
  for (const auto& budget : (*answer)["budgets"]) {
    for (const auto& window : budget["windows"]) {
      table.add({text_of(budget["budget"]), text_of(window["window"]), text_of(window["settled"]), text_of(window["reserved"]),
                 text_of(window["limit"]), text_of(window["end"]), budget["frozen"].get<bool>() ? "frozen" : text_of(window["pressure"])});
    }
  }
  table.print(std::cout);
  return 0;
}

int run_budgets_set(const Config& config, const Clock& clock, const std::string& budget,
                    const std::vector<std::string>& windows, bool frozen, bool lift) {
  if (windows.empty() && !frozen && !lift) {
    std::cerr << "turnpike: no limit given; write for example 100/month, or --lift to remove the budget\n";
    return exit_usage;
  }
  const ordered_json body{{"budget", budget}, {"windows", windows}, {"frozen", frozen}, {"by", "cli"}};
  const auto answer = ask(config, clock, "PUT", "/admin/budgets", body);
  if (!answer) return fail(answer.error());
  std::cout << "set " << budget << '\n';
  return 0;
}

int run_ledger_verify(const Config& config, const Clock& clock, const std::string& directory, Output output) {
  Result<ordered_json> answer;
  if (directory.empty()) {
    answer = ask(config, clock, "POST", "/admin/ledger/verify");
  } else {
    const auto report = account::verify(directory);
    if (!report) return fail(report.error());
    answer = to_json(*report);
  }
  if (!answer) return fail(answer.error());
  const ordered_json& report = *answer;
  const bool ok = report.value("ok", false);
  if (output.json) {
    print_json(report);
    return ok ? 0 : 1;
  }
  std::cout << fmt::format("{} entries, {} attempts ({} open, {} estimated, {} overruns)\n", text_of(report["entries"]),
                           text_of(report["attempts"]), text_of(report["attempts_open"]), text_of(report["estimated"]),
                           text_of(report["overruns"]));
  if (ok) {
    std::cout << "clean: every invariant holds at every entry\n";
    return 0;
  }
  const auto& violation = report["violation"];
  std::cout << fmt::format("entry {} breaks {}: {}\n", text_of(violation["entry"]), text_of(violation["invariant"]), text_of(violation["message"]));
  return 1;
}

int run_ledger_confirm_clock(const Config& config, const Clock& clock) {
  const auto answer = ask(config, clock, "POST", "/admin/ledger/clock");
  if (!answer) return fail(answer.error());
  std::cout << "confirmed: windows follow the wall clock again\n";
  return 0;
}

}  // namespace turnpike::app
