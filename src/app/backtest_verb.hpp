// `turnpike backtest`: what a policy would have done with recorded steps.
//
// Exit code 0: no condition is met; 1: one is, or it could not be done; 64: a condition or a flag is wrong; 78: the policy
// or the catalog has faults.
#pragma once

#include <string>
#include <vector>

#include "app/commands.hpp"
#include "app/replay_verbs.hpp"

namespace CLI {
class App;
}

namespace turnpike::app {

struct BacktestFlags {
  RecordFlags records;
  std::string policy;
  std::string providers;  // folder; empty: the configured one
  std::vector<std::string> fail_if;
};

int run_backtest(const Config& config, const Clock& clock, const BacktestFlags& flags, Output output);

void add_backtest(CLI::App& app, const Output& output, Verb& verb);

}  // namespace turnpike::app
