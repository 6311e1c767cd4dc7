// The door of `turnpike classify --jsonl`: lines in, one score per line out.
#pragma once

#include <functional>
#include <istream>
#include <ostream>
#include <string>

#include "classify/classifier.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/facts_row.hpp"

namespace turnpike::classify {

/// Reads one line; the caller supplies it, since JSON and dialects are no business of this room.
/// dialect::read_facts_line fits. The line is the callee's to change.
using LineReader = std::function<Result<FactsRow>(std::string& line)>;

/// Writes {"id","score","confidence","abstain","weak_fails","step","us"} for each line of `in` (blank lines are
/// skipped), in order, and flushes whenever no further input is waiting. `us` is the time of
/// reading the facts and classifying. A row with an outcome teaches all that follow it and writes nothing; nothing is
/// kept beyond the end of `in`. A line that cannot be read yields {"line","error"} and the
/// rest goes on; the result is then an error that counts them.
Result<void> classify_jsonl(std::istream& in, std::ostream& out, const Classifier& classifier,
                            const LineReader& read_line, Clock& clock);

}  // namespace turnpike::classify
