// The sentences of `turnpike explain`.
#pragma once

#include <string>
#include <vector>

#include "turnpike/exchange.hpp"

namespace turnpike::app {

/// What was asked, how hard it is and why, what was chosen, what was weighed, what came of it: one after the other, for a
/// person who does not know the program's words.
std::vector<std::string> sentences_of(const Exchange& exchange);

}  // namespace turnpike::app
