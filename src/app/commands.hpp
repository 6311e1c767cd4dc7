// The verbs of the command line, beyond `serve`. Each returns the process's exit code.
//
//   0 done   1 it failed, or the answer is no   64 wrong usage   73 the store is in use   78 faults in the configuration
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/config.hpp"
#include "turnpike/clock.hpp"

namespace turnpike::app {

inline constexpr int exit_nothing_compared = 2;  // replay, backtest: there was no step to compare
inline constexpr int exit_usage = 64;
inline constexpr int exit_store_locked = 73;
inline constexpr int exit_store_failed = 74;
inline constexpr int exit_config = 78;

int exit_code_of(const Error& error);
/// To standard error, one line each.
void print_faults(const std::vector<catalog::Fault>& faults);
int fail(const Error& error);

struct Output {
  bool json = false;
};

/// What a parsed command line comes to.
using Verb = std::function<int(const Config&, const Clock&)>;

struct ServeOptions {
  bool take_over = false;  // from the gateway that runs on the data directory, if one does
};
int run_serve(const Config& config, const Clock& clock, ServeOptions options);
int run_check(const Config& config, const Clock& clock, Output output);
int run_reload(const Config& config, const Clock& clock);
int run_classify();

struct ExplainOptions {
  std::string what;     // a decision id, or the path of a request body
  std::string dialect;  // of the body; empty: told by its shape
  std::string model;    // asked for in place of the body's; Gemini's clients name it in the path
};
int run_explain(const Config& config, const Clock& clock, const ExplainOptions& options, Output output);

/// `directory`: a copy to verify; empty: the configured data directory, or the gateway that runs on it.
int run_ledger_verify(const Config& config, const Clock& clock, const std::string& directory, Output output);
int run_ledger_confirm_clock(const Config& config, const Clock& clock);

}  // namespace turnpike::app
