// Reads a store into books: at start, and again after the store has failed.
#pragma once

#include "account/books.hpp"
#include "account/store.hpp"
#include "turnpike/error.hpp"

namespace turnpike::account {

/// The checkpoint, then what the journal holds beyond it. `books` are fresh. `store_corrupt` names
/// the first entry that does not follow.
Result<void> load(Store& store, Books& books);

}  // namespace turnpike::account
