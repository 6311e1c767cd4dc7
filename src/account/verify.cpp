#include "account/verify.hpp"

#include "account/front_journal.hpp"
#include "account/store.hpp"
#include "account/verifier.hpp"

namespace turnpike::account {

namespace {
constexpr std::int64_t slice = 20'000;
}

Result<VerifyReport> verify(const std::filesystem::path& directory) {
  auto store = Store::open(directory, Store::Access::read);
  if (!store) return std::unexpected{store.error()};
  Verifier verifier;
  auto checkpoint = store->checkpoint();
  if (!checkpoint) return std::unexpected{checkpoint.error()};
  if (auto& kept = *checkpoint) verifier.expect(*std::move(kept));
  const auto tail = store->tail();
  if (!tail) return std::unexpected{tail.error()};

  bool intact = true;
  for (std::int64_t next = 1; intact && next <= tail->seq;) {
    const auto entries = store->read(next, slice);
    if (!entries) return std::unexpected{entries.error()};
    if (entries->empty()) break;
    for (const auto& entry : *entries) intact = intact && verifier.feed(entry);
    next = entries->back().seq + 1;
  }
  const auto front = FrontJournal::read(directory, tail->seq, tail->chain);
  for (const auto& entry : front.entries) intact = intact && verifier.feed(entry);
  auto report = verifier.finish();
  report.entries_in_front = static_cast<std::int64_t>(front.entries.size());
  report.torn_bytes = front.torn_bytes;
  return report;
}

}  // namespace turnpike::account
