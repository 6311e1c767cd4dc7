// From a finished exchange to the row that is stored of it.
#pragma once

#include "account/store.hpp"
#include "turnpike/exchange.hpp"

namespace turnpike::account {

/// Some ten microseconds: the writer thread's work.
DecisionRow decision_row(const Exchange& exchange);

}  // namespace turnpike::account
