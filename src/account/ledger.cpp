#include "account/ledger.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "account/books.hpp"
#include "account/fields.hpp"
#include "account/lease_keeper.hpp"
#include "account/load.hpp"
#include "account/pepper.hpp"
#include "account/spend_sums.hpp"
#include "account/verifier.hpp"
#include "account/writer.hpp"
#include "turnpike/log.hpp"

namespace turnpike::account {

namespace {

// The journal is read in pieces, so that commits go on between them.
constexpr std::int64_t slice = 20'000;

Error store_error(std::string code, std::string message) {
  return gateway_error(503, std::move(code), std::move(message));
}

/// Holds the directory for this process; given back when the process ends, however it ends.
class DirectoryLock {
 public:
  static Result<DirectoryLock> take(const std::filesystem::path& directory) {
    const auto path = directory / "lock";
    DirectoryLock lock{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
    if (lock.file_ < 0) {
      return std::unexpected{store_error(
          "store_read_only",
          fmt::format("cannot write in {}: {}", directory.string(), std::strerror(errno)))};
    }
    if (::flock(lock.file_, LOCK_EX | LOCK_NB) != 0) {
      return std::unexpected{store_error(
          "store_locked",
          fmt::format("{} is in use by another process; ask the running gateway instead (admin "
                      "address), or stop it first",
                      directory.string()))};
    }
    return lock;
  }
  explicit DirectoryLock(int file) : file_(file) {}
  DirectoryLock(DirectoryLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock() {
    if (file_ >= 0) ::close(file_);
  }

 private:
  int file_;
};

Result<void> make_directory(const std::filesystem::path& directory) {
  std::error_code fault;
  std::filesystem::create_directories(directory, fault);
  if (!fault) return {};
  return std::unexpected{
      store_error("store_read_only", fmt::format("cannot make the ledger's directory {}: {}",
                                                 directory.string(), fault.message()))};
}

bool is_name(std::string_view text) {
  return text.size() <= 128 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '-' || c == '@';
         });
}

Result<void> check_account(const Account& key) {
  if (key.org.empty())
    return std::unexpected{client_error("bad_key", "a key belongs to an org; name it", "org")};
  for (const auto& [field, value] :
       {std::pair{"org", &key.org}, {"team", &key.team}, {"user", &key.user}}) {
    if (is_name(*value)) continue;
    return std::unexpected{
        client_error("bad_key",
                     fmt::format("{} may hold letters, digits and . _ - @ only: {}", field,
                                 quoted_for_message(*value)),
                     field)};
  }
  if (key.concurrency_max && *key.concurrency_max < 1) {
    return std::unexpected{
        client_error("bad_key", "concurrency_max is at least 1", "concurrency_max")};
  }
  return {};
}

}  // namespace

class Ledger::Impl {
 public:
  Impl(LedgerOptions opts, const Clock& clock_in, DirectoryLock lock)
      : options(std::move(opts)),
        clock(clock_in),
        directory_lock(std::move(lock)),
        books(options, clock, bell) {}

  Result<void> start();
  Result<void> take_in_front(Store& store);
  void renew_keys();
  /// After a change of keys or budgets: all replicas know of it on return, or the error says that they do not yet.
  Result<void> told_all() { return keeper ? keeper->wait_published() : Result<void>{}; }
  template <typename Take>
  Result<void> each_entry(std::int64_t first, std::int64_t last, Take take);
  Result<std::vector<Entry>> definitions(std::initializer_list<EntryKind> kinds);

  LedgerOptions options;
  const Clock& clock;
  DirectoryLock directory_lock;
  Bell bell;
  Books books;
  std::unique_ptr<Writer> writer;
  std::unique_ptr<LeaseKeeper> keeper;  // replicas; ends before the writer
  Recovery recovery;
  std::mutex admin;  // one key is made or revoked at a time, so that the ring is never older than
                     // the journal
  mutable std::mutex ring_mutex;
  std::shared_ptr<const KeyRing> ring;
};

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

/// Calls take(entry) for the stored entries of a range, in order, until it returns false.
template <typename Take>
Result<void> Ledger::Impl::each_entry(std::int64_t first, std::int64_t last, Take take) {
  while (first <= last) {
    Result<std::vector<Entry>> entries;
    const bool ran = writer->run(
        [&](Store& store) { entries = store.read(first, std::min(slice, last - first + 1)); });
    if (!ran)
      return std::unexpected{store_error("ledger_unavailable", "the ledger's store is failing")};
    if (!entries) return std::unexpected{entries.error()};
    if (entries->empty()) return {};
    for (const auto& entry : *entries) {
      if (entry.seq > last || !take(entry)) return {};
    }
    first = entries->back().seq + 1;
  }
  return {};
}

/// Entries of rare kinds, in the order of the journal.
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
  if (!ran)
    return std::unexpected{store_error("ledger_unavailable", "the ledger's store is failing")};
  if (!read) return std::unexpected{read.error()};
  std::ranges::sort(found, {}, &Entry::seq);
  return found;
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

Result<CreatedKey> Ledger::create_key(const NewKey& key) {
  auto minted = KeyRing::mint(impl_->options.pepper);
  if (!minted) return std::unexpected{minted.error()};
  KeyInfo info;
  auto& account = info.account;
  account.key_id = minted->id;
  account.key_name = key.name;
  account.org = key.org;
  account.team = key.team;
  account.user = key.user;
  account.models_allowed = key.models_allowed;
  account.may_override_route = key.may_override_route;
  account.request_cost_max = key.request_cost_max;
  account.concurrency_max = key.concurrency_max;
  info.expires = key.expires;
  info.created_by = key.by;
  info.mac = minted->mac;
  if (auto good = check_account(account); !good) return std::unexpected{good.error()};
  std::unique_lock lock{impl_->admin};
  if (auto made = impl_->books.create_key(info); !made) return std::unexpected{made.error()};
  impl_->renew_keys();
  lock.unlock();
  (void)impl_->told_all();  // a key cannot be shown a second time: it is given out also if the others hear of it later
  return CreatedKey{minted->id, std::move(minted->key)};
}

Result<void> Ledger::change_key(std::string_view key_id, const KeyChange& change,
                                std::string_view by) {
  std::unique_lock lock{impl_->admin};
  auto changed = impl_->books.change_key(key_id, by, [&](KeyInfo& key, Instant) {
    const auto take = [](auto& field, const auto& wanted) {
      if (wanted) field = *wanted;
    };
    auto& account = key.account;
    take(account.key_name, change.name);
    take(account.org, change.org);
    take(account.team, change.team);
    take(account.user, change.user);
    take(account.models_allowed, change.models_allowed);
    take(account.may_override_route, change.may_override_route);
    take(account.request_cost_max, change.request_cost_max);
    take(account.concurrency_max, change.concurrency_max);
    take(key.expires, change.expires);
    take(key.disabled, change.disabled);
    return check_account(account);
  });
  if (!changed) return changed;
  impl_->renew_keys();
  lock.unlock();
  return impl_->told_all();
}

Result<CreatedKey> Ledger::rotate_key(std::string_view key_id, std::chrono::seconds grace,
                                      std::string_view by) {
  if (grace < std::chrono::seconds{0}) {
    return std::unexpected{client_error("bad_key", "the time of grace is not negative", "grace")};
  }
  auto minted = KeyRing::mint_again(impl_->options.pepper, key_id);
  if (!minted) return std::unexpected{minted.error()};
  std::unique_lock lock{impl_->admin};
  auto changed = impl_->books.change_key(key_id, by, [&](KeyInfo& key, Instant now) -> Result<void> {
    key.previous_mac.reset();
    key.previous_until.reset();
    if (grace > std::chrono::seconds{0}) {
      key.previous_mac = key.mac;
      key.previous_until = now + grace;
    }
    key.mac = minted->mac;
    return {};
  });
  if (!changed) return std::unexpected{changed.error()};
  impl_->renew_keys();
  lock.unlock();
  (void)impl_->told_all();
  return CreatedKey{minted->id, std::move(minted->key)};
}

Result<void> Ledger::revoke_key(std::string_view key_id, std::string_view by) {
  std::unique_lock lock{impl_->admin};
  auto revoked = impl_->books.revoke_key(key_id, by);
  if (!revoked) return revoked;
  impl_->renew_keys();
  lock.unlock();
  return impl_->told_all();
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

Result<std::vector<BudgetChange>> Ledger::budget_history(std::string_view budget) {
  const auto entries = impl_->definitions({EntryKind::budget_set});
  if (!entries) return std::unexpected{entries.error()};
  return budget_changes(*entries, budget);
}

Result<std::vector<KeyHistoryEntry>> Ledger::key_history(std::string_view key_id) {
  const auto entries = impl_->definitions(
      {EntryKind::key_created, EntryKind::key_changed, EntryKind::key_revoked});
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
    return std::unexpected{store_error("ledger_unavailable", "the ledger's store is failing")};
  return page;
}

Result<DecisionPlace> Ledger::place_of_newest(std::size_t count) {
  Result<DecisionPlace> place;
  if (!impl_->writer->run([&](Store& store) {
        place = store.place_of_newest(static_cast<std::int64_t>(count));
      }))
    return std::unexpected{store_error("ledger_unavailable", "the ledger's store is failing")};
  return place;
}

Result<std::vector<SpendRow>> Ledger::spend(const SpendQuery& query) {
  SpendSums sums{query};
  const auto done = each_charge({query.since, query.until},
                                    [&](const Charge& charge) { sums.add(charge); });
  if (!done) return std::unexpected{done.error()};
  return sums.rows();
}

Result<std::vector<Entry>> Ledger::definitions(EntryKind kind) {
  Result<std::vector<Entry>> entries;
  if (!impl_->writer->run([&](Store& store) { entries = store.definitions(kind); }))
    return std::unexpected{store_error("ledger_unavailable", "the ledger's store is failing")};
  return entries;
}

Result<void> Ledger::each_charge(const ChargeQuery& query,
                                     const ChargeVisitor& visit) {
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
  if (!ran)
    return std::unexpected{store_error("ledger_unavailable", "the ledger's store is failing")};
  if (!first) return std::unexpected{first.error()};
  if (!end) return std::unexpected{end.error()};
  last = std::min(*end - 1, last);
  return impl_->each_entry(*first, last, [&](const Entry& entry) {
    const auto* charge = reader.read(entry);
    if (charge != nullptr && (!query.since || charge->at >= *query.since))
      visit(*charge);
    return true;
  });
}

Result<VerifyReport> Ledger::verify() {
  Verifier verifier;
  const auto last = impl_->books.last_seq();
  Result<std::optional<Checkpoint>> checkpoint;
  if (!impl_->writer->run([&](Store& store) { checkpoint = store.checkpoint(); })) {
    return std::unexpected{store_error("ledger_unavailable", "the ledger's store is failing")};
  }
  if (!checkpoint) return std::unexpected{checkpoint.error()};
  if (auto& kept = *checkpoint) verifier.expect(*std::move(kept));
  const auto done =
      impl_->each_entry(1, last, [&](const Entry& entry) { return verifier.feed(entry); });
  if (!done) return std::unexpected{done.error()};
  return verifier.finish();
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
