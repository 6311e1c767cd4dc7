#include "account/load.hpp"

#include <fmt/format.h>

namespace turnpike::account {

namespace {
// The journal is read in pieces, so that memory stays bounded.
constexpr std::int64_t slice = 20'000;
}  // namespace

Result<void> load(Store& store, Books& books) {
  const auto damaged = [&](std::int64_t seq) {
    return std::unexpected{gateway_error(
        503, "store_corrupt",
        fmt::format("entry {} of the journal in {} is damaged; run `turnpike ledger verify` and "
                    "restore a copy",
                    seq, store.file()))};
  };
  auto checkpoint = store.checkpoint();
  if (!checkpoint) return std::unexpected{checkpoint.error()};
  std::int64_t next = 1;
  if (const auto& kept = *checkpoint) {
    const auto at = store.read(kept->seq, 1);
    if (!at) return std::unexpected{at.error()};
    if (at->empty() || at->front().seq != kept->seq) return damaged(kept->seq);
    const auto& last = at->front();
    const Store::Tail tail{last.seq, last.at, last.epoch, last.chain};
    if (!books.restore(*kept, tail)) return damaged(last.seq);
    next = last.seq + 1;
  }
  while (true) {
    const auto entries = store.read(next, slice);
    if (!entries) return std::unexpected{entries.error()};
    if (entries->empty()) return {};
    for (const auto& entry : *entries) {
      if (!books.replay(entry)) return damaged(entry.seq);
    }
    next = entries->back().seq + 1;
  }
}

}  // namespace turnpike::account
