// Whether two folds of one journal say the same (I5).
#pragma once

#include <optional>
#include <string>

#include "account/balances.hpp"

namespace turnpike::account {

/// The first thing in which two balances differ, in words; nothing if they agree on every open
/// attempt, every live window of every budget, and every key. What only serves as a cache is not
/// compared.
std::optional<std::string> difference(const Balances& kept, const Balances& folded);

}  // namespace turnpike::account
