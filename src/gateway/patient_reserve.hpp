// A reservation that its coroutine waits for, and nobody else.
#pragma once

#include "account/ledger.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/task.hpp"

namespace turnpike::gateway {

/// The ledger never blocks the loop: what it waits for (a larger lease of a replica, the disk with intent = "disk") is
/// waited for here, in short pauses of this request alone. Ledger and clock outlive it.
Task<account::Reservation> reserve_patiently(account::Ledger& ledger, const Clock& clock, account::ReserveRequest wanted);

}  // namespace turnpike::gateway
