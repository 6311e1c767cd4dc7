// The decision record: everything a decision was made from, what it was, and what came of it, as one JSON text and back.
// No prompt, no completion: the question and the tool output that the facts hold are left out.
//
// Amounts are decimal strings of credits, prices integers of pico-credits, durations microseconds. Absent means: not
// known, or the value that says nothing (zero, false, empty); a quote's `ceiling`: the same as its first tier's rates.
#pragma once

#include <list>
#include <string>
#include <string_view>

#include "turnpike/error.hpp"
#include "turnpike/exchange.hpp"

namespace turnpike::record {

/// Of the text's form. 1 had no `inputs`: enough to be shown, too little to be decided again.
inline constexpr int form = 2;

std::string to_json(const Exchange& exchange);

/// Equal digests mean equal decisions, members that the text leaves out included: 16 hex digits, the same in every
/// build.
std::string digest_of(const RouteDecision& decision);

/// A record read back. What the text leaves out has its standard value.
struct Recorded {
  Exchange exchange;
  std::string digest;           // of the decision as it was made
  std::list<std::string> words;  // owns the names of the signals

  /// False if the request was refused before anything was decided, or by the decision itself.
  [[nodiscard]] bool decided() const { return !exchange.decision.candidates.empty(); }
};

/// Errors: `record_too_old` (another form), `record_damaged` (says which member).
Result<Recorded> from_json(std::string text);

}  // namespace turnpike::record
