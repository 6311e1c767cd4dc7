#include "app/commands.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <csignal>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "account/verify.hpp"
#include "app/data_directory.hpp"
#include "app/handover.hpp"
#include "app/json_pages.hpp"
#include "app/listener_tls.hpp"
#include "app/snapshots.hpp"
#include "app/socket_activation.hpp"
#include "app/verb_tools.hpp"
#include "app/wiring.hpp"
#include "classify/jsonl.hpp"
#include "dialect/facts_line.hpp"
#include "policy/check.hpp"
#include "turnpike/log.hpp"

namespace turnpike::app {

using nlohmann::ordered_json;

int exit_code_of(const Error& error) {
  if (error.code == "store_locked") return exit_store_locked;
  if (error.code == "no_keys" || error.code == "bad_activation") return exit_config;
  if (error.code == "bad_instant") return exit_usage;
  return error.code.starts_with("store_") ? exit_store_failed : 1;
}

void print_faults(const std::vector<catalog::Fault>& faults) {
  for (const auto& fault : faults) std::cerr << to_string(fault) << '\n';
}

int fail(const Error& error) {
  std::cerr << "turnpike: " << error.message << '\n';
  return exit_code_of(error);
}

namespace {

/// With fewer the gateway runs out of them for its own files and blames providers.
std::optional<Error> too_few_descriptors() {
  constexpr rlim_t least = 128;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= least) return std::nullopt;
  return gateway_error(500, "too_few_descriptors",
                       fmt::format("this process may open {} files, and {} are the least to serve with; raise `ulimit -n` or LimitNOFILE", limit.rlim_cur, least));
}

}  // namespace

int run_serve(const Config& config, const Clock& clock, ServeOptions options) {
  const PrivateFiles private_files;
  ConfigFiles files;
  auto snapshot = build_snapshot(config, clock.now(), nullptr, &files);
  if (!snapshot) {
    print_faults(snapshot.error());
    return exit_config;
  }
  print_faults((*snapshot)->policy.warnings());
  auto tls = load_listener_tls(config, clock.now(), nullptr);
  if (!tls) {
    print_faults(tls.error());
    return exit_config;
  }
  print_faults(tls->warnings);
  // The handler comes with the event loops: a reload that is asked for before has nothing to read again.
  std::signal(SIGHUP, SIG_IGN);
  if (const auto few = too_few_descriptors()) return fail(*few);
  auto activated = inherited_listener();
  if (!activated) return fail(activated.error());
  // Last of what may fail on our side: until here the running gateway knows nothing of us.
  auto handed = options.take_over ? ask_for_listeners(config.data) : Result<Handed>{Handed{}};
  if (!handed) return fail(handed.error());
  if (auto accepted = accept_listeners(*handed, config.listen, config.admin); !accepted) return fail(accepted.error());
  handed->activated = std::move(*activated);
  if (handed->predecessor_lives()) log(LogLevel::info, "waiting_for_predecessor");
  auto application = Application::make(config, std::move(*snapshot), std::move(tls->context), clock, std::move(*handed));
  if (!application) return fail(application.error());
  start_logging(2, config.log_level);
  keep_config(config, files);
  const int code = (*application)->run();
  application->reset();
  stop_logging();
  return code;
}

int run_check(const Config& config, const Clock& clock, Output output) {
  auto faults = policy::check_all(config.providers, config.policies, config.policy, load_options(config), clock.now());
  for (auto& fault : check_listener(config, clock.now())) faults.push_back(std::move(fault));
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
  const auto answer = ask(config, clock, "POST", "/admin/reload", {});
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

int run_ledger_verify(const Config& config, const Clock& clock, const std::string& directory, Output output) {
  Result<ordered_json> answer;
  if (directory.empty()) {
    answer = ask(config, clock, "POST", "/admin/ledger/verify", {});
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
  std::cout << fmt::format("{} entries, {} attempts ({} open, {} estimated, {} overruns)\n", cell(report["entries"]),
                           cell(report["attempts"]), cell(report["attempts_open"]), cell(report["estimated"]),
                           cell(report["overruns"]));
  if (ok) {
    std::cout << "clean: every invariant holds at every entry\n";
    return 0;
  }
  const auto& violation = report["violation"];
  std::cout << fmt::format("entry {} breaks {}: {}\n", cell(violation["entry"]), cell(violation["invariant"]), cell(violation["message"]));
  return 1;
}

int run_ledger_confirm_clock(const Config& config, const Clock& clock) {
  const auto answer = ask(config, clock, "POST", "/admin/ledger/clock", {{"by", operating_user()}});
  if (!answer) return fail(answer.error());
  std::cout << "confirmed: windows follow the wall clock again\n";
  return 0;
}

}  // namespace turnpike::app
