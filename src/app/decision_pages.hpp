// GET /admin/decisions?from=PLACE or ?newest=N: records in the order of time, a page at a time.
#pragma once

#include <string_view>

#include "account/ledger.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::app {

inline constexpr std::size_t decisions_per_page = 250;

bool asks_in_order(std::string_view query);
/// {"decisions":[…],"next":PLACE}, oldest first; without `next` there is no more.
WholeReply decisions_in_order(account::Ledger& ledger, std::string_view query);

}  // namespace turnpike::app
