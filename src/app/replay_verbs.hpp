// `turnpike replay` and `turnpike backtest`: stored decisions, taken again.
#pragma once

#include <string>
#include <vector>

#include "app/commands.hpp"
#include "app/record_source.hpp"

namespace CLI {
class App;
class Range;
}

namespace turnpike::app {

/// Which stored decisions, as flags say it.
struct RecordFlags {
  std::string since;
  std::string decision;
  std::size_t limit = 0;  // 0: not given
  std::string data;
};

/// `standard`: what counts if no flag names any, a span such as "24h".
Result<RecordRange> read_range(const RecordFlags& flags, std::string_view standard, Instant now);

/// What --limit may be.
CLI::Range records_range();

/// Exit code 0: every decision came out the same; 1: one did not, or a record cannot be read; 2: there was none to compare.
int run_replay(const Config& config, const Clock& clock, const RecordFlags& flags, Output output);

void add_replay(CLI::App& app, const Output& output, Verb& verb);

}  // namespace turnpike::app
