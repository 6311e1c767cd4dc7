// What is read of the journal and of the stored decisions, by way of the writer's connection.
#include <algorithm>
#include <cstdint>
#include <iterator>

#include "account/ledger_impl.hpp"
#include "account/spend_sums.hpp"
#include "account/verifier.hpp"

namespace turnpike::account {

namespace {

// The journal is read in pieces, so that commits go on between them.
constexpr std::int64_t slice = 20'000;

}  // namespace

Result<void> Ledger::Impl::each_entry(std::int64_t first, std::int64_t last,
                                      const std::function<bool(const Entry&)>& take) {
  while (first <= last) {
    Result<std::vector<Entry>> entries;
    const bool ran = writer->run(
        [&](Store& store) { entries = store.read(first, std::min(slice, last - first + 1)); });
    if (!ran) return std::unexpected{store_failing()};
    if (!entries) return std::unexpected{entries.error()};
    if (entries->empty()) return {};
    for (const auto& entry : *entries) {
      if (entry.seq > last || !take(entry)) return {};
    }
    first = entries->back().seq + 1;
  }
  return {};
}

Result<std::vector<Entry>> Ledger::Impl::definitions(std::initializer_list<EntryKind> kinds) {
  std::vector<Entry> found;
  Result<void> read;
  const bool ran = writer->run([&](Store& store) {
    for (const auto kind : kinds) {
      auto entries = store.definitions(kind);
      if (!entries) {
        read = std::unexpected{entries.error()};
        return;
      }
      found.insert(found.end(), std::make_move_iterator(entries->begin()),
                   std::make_move_iterator(entries->end()));
    }
  });
  if (!ran) return std::unexpected{store_failing()};
  if (!read) return std::unexpected{read.error()};
  std::ranges::sort(found, {}, &Entry::seq);
  return found;
}

Result<std::vector<BudgetChange>> Ledger::budget_history(std::string_view budget) {
  const auto entries = impl_->definitions({EntryKind::budget_set});
  if (!entries) return std::unexpected{entries.error()};
  return budget_changes(*entries, budget);
}

Result<std::vector<KeyHistoryEntry>> Ledger::key_history(std::string_view key_id) {
  const auto entries =
      impl_->definitions({EntryKind::key_created, EntryKind::key_changed, EntryKind::key_revoked});
  if (!entries) return std::unexpected{entries.error()};
  return key_changes(*entries, key_id);
}

std::optional<std::string> Ledger::decision_json(std::string_view decision_id) {
  Result<std::optional<std::string>> found;
  impl_->writer->run([&](Store& store) { found = store.decision(decision_id); });
  return found.value_or(std::nullopt);
}

std::vector<std::string> Ledger::recent_decisions(std::size_t count) {
  Result<std::vector<std::string>> found;
  impl_->writer->run(
      [&](Store& store) { found = store.recent_decisions(static_cast<std::int64_t>(count)); });
  return found.value_or(std::vector<std::string>{});
}

Result<DecisionPage> Ledger::decisions_from(DecisionPlace place, std::size_t count) {
  Result<DecisionPage> page;
  if (!impl_->writer->run([&](Store& store) {
        page = store.decisions_from(place, static_cast<std::int64_t>(count));
      }))
    return std::unexpected{store_failing()};
  return page;
}

Result<DecisionPlace> Ledger::place_of_newest(std::size_t count) {
  Result<DecisionPlace> place;
  if (!impl_->writer->run(
          [&](Store& store) { place = store.place_of_newest(static_cast<std::int64_t>(count)); }))
    return std::unexpected{store_failing()};
  return place;
}

Result<std::vector<SpendRow>> Ledger::spend(const SpendQuery& query) {
  SpendSums sums{query};
  const auto done =
      each_charge({query.since, query.until}, [&](const Charge& charge) { sums.add(charge); });
  if (!done) return std::unexpected{done.error()};
  return sums.rows();
}

Result<std::vector<Entry>> Ledger::definitions(EntryKind kind) {
  Result<std::vector<Entry>> entries;
  if (!impl_->writer->run([&](Store& store) { entries = store.definitions(kind); }))
    return std::unexpected{store_failing()};
  return entries;
}

Result<void> Ledger::each_charge(const ChargeQuery& query, const ChargeVisitor& visit) {
  // Before the definitions are read: an entry up to here names none that is missing from them.
  auto last = impl_->books.last_seq();
  ChargeReader reader;
  for (const auto kind :
       {EntryKind::name_defined, EntryKind::price_defined, EntryKind::path_defined}) {
    const auto entries = definitions(kind);
    if (!entries) return std::unexpected{entries.error()};
    reader.define(*entries);
  }
  Result<std::int64_t> first{1};
  Result<std::int64_t> end{INT64_MAX};
  const bool ran = impl_->writer->run([&](Store& store) {
    const auto at = [](Instant instant) { return instant.time_since_epoch().count(); };
    if (query.since) first = store.first_at(at(*query.since - ChargeReader::lead));
    if (query.until) end = store.first_at(at(*query.until));
  });
  if (!ran) return std::unexpected{store_failing()};
  if (!first) return std::unexpected{first.error()};
  if (!end) return std::unexpected{end.error()};
  last = std::min(*end - 1, last);
  return impl_->each_entry(*first, last, [&](const Entry& entry) {
    const auto* charge = reader.read(entry);
    if (charge != nullptr && (!query.since || charge->at >= *query.since)) visit(*charge);
    return true;
  });
}

Result<VerifyReport> Ledger::verify() {
  Verifier verifier;
  const auto last = impl_->books.last_seq();
  Result<std::optional<Checkpoint>> checkpoint;
  if (!impl_->writer->run([&](Store& store) { checkpoint = store.checkpoint(); })) {
    return std::unexpected{store_failing()};
  }
  if (!checkpoint) return std::unexpected{checkpoint.error()};
  if (auto& kept = *checkpoint) verifier.expect(*std::move(kept));
  const auto done =
      impl_->each_entry(1, last, [&](const Entry& entry) { return verifier.feed(entry); });
  if (!done) return std::unexpected{done.error()};
  return verifier.finish();
}

}  // namespace turnpike::account
