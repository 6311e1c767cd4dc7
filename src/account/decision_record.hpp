// The decision record: everything `explain` shows and a decision needs to be taken again, as one
// JSON text. No prompt, no completion: the question and the tool output that the facts hold are
// left out.
#pragma once

#include <string>

#include "account/store.hpp"
#include "turnpike/exchange.hpp"

namespace turnpike::account {

/// Amounts are decimal strings of credits, prices integers of pico-credits, durations microseconds.
/// Absent means: not known; zero or false in `needs`, `trace`, `usage` and rates; `ceiling`: the
/// same as the first tier's rates.
std::string decision_json(const Exchange& exchange);
DecisionRow decision_row(const Exchange& exchange);

}  // namespace turnpike::account
