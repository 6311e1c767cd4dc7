#include "account/ledger.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "account/fields.hpp"
#include "account/ledger_impl.hpp"
#include "account/load.hpp"
#include "account/pepper.hpp"
#include "turnpike/log.hpp"

namespace turnpike::account {

namespace {

Result<void> make_directory(const std::filesystem::path& directory) {
  std::error_code fault;
  std::filesystem::create_directories(directory, fault);
  if (!fault) return {};
  return std::unexpected{
      store_error("store_read_only", fmt::format("cannot make the ledger's directory {}: {}",
                                                 directory.string(), fault.message()))};
}

}  // namespace

Result<std::unique_ptr<Ledger>> Ledger::open(LedgerOptions options, const Clock& clock,
                                             Randomness&) {
  const auto begun = clock.monotonic();
  if (auto made = make_directory(options.directory); !made) return std::unexpected{made.error()};
  auto lock = DirectoryLock::take(options.directory);
  if (!lock) return std::unexpected{lock.error()};
  if (options.pepper.empty()) {
    auto pepper = load_pepper(options.directory);
    if (!pepper) return std::unexpected{pepper.error()};
    options.pepper = *std::move(pepper);
  }
  auto impl = std::make_unique<Impl>(std::move(options), clock, *std::move(lock));
  if (auto started = impl->start(); !started) return std::unexpected{started.error()};
  impl->recovery.took =
      std::chrono::duration_cast<std::chrono::microseconds>(clock.monotonic() - begun);
  const auto& done = impl->recovery;
  if (done.entries_replayed + done.torn_bytes + done.attempts_closed + done.wal_bytes_dropped > 0) {
    log(LogLevel::warn, "ledger_recovered",
        {{"entries_replayed", done.entries_replayed},
         {"torn_bytes", done.torn_bytes},
         {"wal_bytes_dropped", done.wal_bytes_dropped},
         {"attempts_closed", done.attempts_closed}});
  }
  if (done.entries_dropped_last > 0) {
    log(LogLevel::error, "ledger_entries_lost",
        {{"message", "the store lacks entries that the front journal continues; what it has is kept"},
         {"dropped_first", done.entries_dropped_first},
         {"dropped_last", done.entries_dropped_last}});
  }
  return std::unique_ptr<Ledger>{new Ledger{std::move(impl)}};
}

Result<void> Ledger::Impl::start() {
  books.make_room();
  auto store = Store::open(options.directory, Store::Access::write);
  if (!store) return std::unexpected{store.error()};
  if (auto loaded = load(*store, books); !loaded) return loaded;
  if (auto taken = take_in_front(*store); !taken) return taken;

  const auto closed = books.start();
  if (!closed) return std::unexpected{closed.error()};
  recovery.attempts_closed = *closed;
  const auto batch = books.take();
  if (auto written = store->commit(batch.entries, {}, batch.checkpoint); !written) return written;
  if (!books.empty_front())
    return std::unexpected{store_error("store_unavailable", "cannot empty the front journal")};
  books.stored(batch.entries.back().seq);
  renew_keys();
  if (options.replica) {
    auto made = LeaseKeeper::make(*options.replica, options.pepper, *store, books, clock);
    if (!made) return std::unexpected{made.error()};
    keeper = *std::move(made);
  }
  if (!books.regain_space()) books.space_gone();
  writer = std::make_unique<Writer>(std::move(*store), books, bell, options, clock);
  if (!keeper) return {};
  return keeper->begin([this] {
    const std::lock_guard lock{admin};
    renew_keys();
  });
}

/// What had reached the operating system but not SQLite when the last process ended.
Result<void> Ledger::Impl::take_in_front(Store& store) {
  const auto tail = store.tail();
  if (!tail) return std::unexpected{tail.error()};
  const auto found = FrontJournal::read(options.directory, tail->seq, tail->chain);
  for (const auto& entry : found.entries) {
    if (books.replay(entry)) continue;
    return std::unexpected{
        store_error("store_corrupt", fmt::format("entry {} of the front journal in {} is damaged",
                                                 entry.seq, options.directory.string()))};
  }
  recovery.entries_replayed = static_cast<std::int64_t>(found.entries.size());
  recovery.torn_bytes = found.torn_bytes;
  recovery.entries_dropped_first = found.dropped_first;
  recovery.entries_dropped_last = found.dropped_last;
  recovery.wal_bytes_dropped = store.wal_bytes_dropped();
  return store.commit(found.entries, {});
}

void Ledger::Impl::renew_keys() {
  auto renewed =
      std::make_shared<const KeyRing>(options.pepper, books.keys(), options.allow_anonymous);
  const std::lock_guard lock{ring_mutex};
  ring = std::move(renewed);
}

Ledger::Ledger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ledger::~Ledger() {
  impl_->keeper.reset();
  impl_->writer.reset();
}

Instant Ledger::time() { return impl_->books.time(); }

Result<std::shared_ptr<const Account>> Ledger::authenticate(const HeaderList& headers) {
  std::shared_ptr<const KeyRing> ring;
  {
    const std::lock_guard lock{impl_->ring_mutex};
    ring = impl_->ring;
  }
  return ring->authenticate(headers, time());
}

Result<Allowance> Ledger::admit(const Account& account, std::string_view conversation) {
  return impl_->books.admit(account, conversation);
}

Allowance Ledger::allowance(const Account& account, std::string_view conversation) {
  return impl_->books.allowance(account, conversation);
}

Result<Reservation> Ledger::reserve(const ReserveRequest& request) {
  return impl_->books.reserve(request);
}

void Ledger::record(Exchange exchange) {
  // No text of the client's waits in the queue, nor a provider's that may repeat it.
  auto& facts = exchange.facts;
  if (exchange.error) std::string{}.swap(exchange.error->upstream_body);
  { const std::tuple gone{std::move(facts.question), std::move(facts.tool_tail), std::move(facts.trail.marks)}; }
  impl_->writer->enqueue(std::move(exchange));
}

std::vector<KeyInfo> Ledger::keys() const { return impl_->books.keys(); }

Result<void> Ledger::set_budget(const BudgetSettings& settings) {
  if (auto good = check_settings(settings); !good) return good;
  if (auto set = impl_->books.set_budget(settings); !set) return set;
  return impl_->told_all();
}

Result<void> Ledger::confirm_clock(std::string_view by) { return impl_->books.confirm_clock(by); }

std::vector<BudgetState> Ledger::budgets() const { return impl_->books.budgets(); }

Result<void> Ledger::correct(std::int64_t entry, Credits amount, std::string_view by,
                             std::string_view why) {
  if (by.empty() || why.empty()) {
    return std::unexpected{
        client_error("bad_correction", "a correction says who makes it and why")};
  }
  std::optional<Entry> named;
  std::optional<PathDetail> path;
  const auto read_one = [](Store& store, std::int64_t seq) -> std::optional<Entry> {
    auto found = store.read(seq, 1);
    if (!found || found->empty() || found->front().seq != seq) return std::nullopt;
    return std::move(found->front());
  };
  const bool ran = impl_->writer->run([&](Store& store) {
    named = read_one(store, entry);
    if (!named || !is_end(named->kind)) return;
    if (const auto definition = read_one(store, named->path)) path = parse_path(definition->detail);
  });
  if (!ran)
    return std::unexpected{store_error("ledger_unavailable", "the ledger's store is failing")};
  if (!named || !path) {
    return std::unexpected{client_error(
        "bad_correction", fmt::format("entry {} is not a settlement", entry), "entry", 404)};
  }
  Fields fields;
  fields.add("by", by);
  fields.add("why", why);
  fields.add("entry", entry);
  for (const auto window : path->windows) fields.add("window", window);
  return impl_->books.correct(*named, amount, fields.str());
}

bool Ledger::flush() { return impl_->books.wait_stored(impl_->books.last_seq()); }

LedgerFigures Ledger::figures() const {
  auto figures = impl_->books.figures();
  figures.records_dropped = impl_->writer->records_dropped();
  return figures;
}

ReplicaFigures Ledger::replica() const {
  return impl_->keeper ? impl_->keeper->figures() : ReplicaFigures{};
}

Result<CentralFigures> Ledger::check_central() {
  return impl_->keeper ? impl_->keeper->check() : Result<CentralFigures>{};
}

bool Ledger::writable() const { return impl_->books.writable(); }
void Ledger::on_lost(std::function<void(const Error&)> told) {
  impl_->writer->on_lost(std::move(told));
}
const Recovery& Ledger::recovery() const { return impl_->recovery; }

}  // namespace turnpike::account
