#include "account/lease_keeper.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "turnpike/log.hpp"

namespace turnpike::account {

namespace {

constexpr std::size_t slice = 256;  // rules looked at under Books' mutex at a time
constexpr std::chrono::milliseconds retry_pause{250};
constexpr std::chrono::seconds tidy_interval{5};

/// A central ledger that knows us and says no: trying again changes nothing.
bool is_final(const Error& error) {
  return error.code == "central_schema" || error.code == "central_pepper" ||
         error.code == "central_journal" || error.code == "central_address";
}

/// The journal's first entry tells it from every other.
Result<std::string> journal_name(Store& journal) {
  const auto first = journal.read(1, 1);
  if (!first) return std::unexpected{first.error()};
  if (first->empty())
    return std::unexpected{gateway_error(503, "store_corrupt", "the journal has no first entry")};
  return fmt::format("{}-{:08x}", first->front().at, first->front().chain);
}

/// Keys and budgets that were made here rather than taken over from another replica.
Result<std::vector<Definition>> own_definitions(Store& journal) {
  std::vector<Definition> own;
  for (const auto kind : {EntryKind::key_created, EntryKind::key_changed, EntryKind::key_revoked,
                          EntryKind::budget_set}) {
    const auto entries = journal.definitions(kind);
    if (!entries) return std::unexpected{entries.error()};
    for (const auto& entry : *entries) {
      if (entry.ordinal != 0) continue;
      if (auto made = definition_in(entry)) own.push_back(*std::move(made));
    }
  }
  std::ranges::sort(own, {}, &Definition::seq);
  return own;
}

}  // namespace

LeaseKeeper::LeaseKeeper(const ReplicaOptions& options, CentralStore store, Books& books,
                         const Clock& clock)
    : options_(options), store_(std::move(store)), books_(books), clock_(clock) {
  books_.keep_leases(options_, bell_);
}

Result<std::unique_ptr<LeaseKeeper>> LeaseKeeper::make(const ReplicaOptions& options,
                                                       const Secret& pepper, Store& journal,
                                                       Books& books, const Clock& clock) {
  auto central = CentralStore::make(options.central, clock, options.patience);
  if (!central) return std::unexpected{central.error()};
  auto name = journal_name(journal);
  if (!name) return std::unexpected{name.error()};
  auto own = own_definitions(journal);
  if (!own) return std::unexpected{own.error()};
  std::unique_ptr<LeaseKeeper> keeper{new LeaseKeeper{options, *std::move(central), books, clock}};
  keeper->identity_ = {options.name, *std::move(name), 0, pepper.fingerprint()};
  keeper->own_ = *std::move(own);
  return keeper;
}

LeaseKeeper::~LeaseKeeper() {
  stopping_ = true;
  bell_.ring_urgently();
  if (thread_.joinable()) thread_.join();
  if (!joined_ || !store_.connected()) return;
  if (const auto back = exchange(books_.all_back()); !back) failed(back.error());
}

Result<void> LeaseKeeper::begin(std::function<void()> keys_changed) {
  keys_changed_ = std::move(keys_changed);
  if (auto done = round(); !done) {
    failed(done.error());
    if (is_final(done.error())) return done;
  }
  thread_ = std::thread{[this] { loop(); }};
  return {};
}

void LeaseKeeper::loop() {
  while (!stopping_) {
    bell_.nap(options_.beat);
    if (stopping_) return;
    if (!store_.connected() && clock_.monotonic() < retry_at_) {
      answer_check();
      continue;
    }
    if (auto done = round(); !done) failed(done.error());
    answer_check();
  }
}

Result<void> LeaseKeeper::round() {
  if (!store_.connected()) {
    if (auto connected = store_.connect(); !connected) return connected;
    beaten_ = {};
  }
  if (!joined_) {
    if (auto done = join(); !done) return done;
  }
  if (clock_.monotonic() - beaten_ >= options_.beat) {
    if (auto done = beat(); !done) return done;
  }
  if (auto done = publish(); !done) return done;
  if (auto done = exchange(); !done) return done;
  return tidy();
}

Result<void> LeaseKeeper::join() {
  identity_.durable = books_.figures().entries_durable;
  const auto joined = store_.join(identity_);
  if (!joined) return std::unexpected{joined.error()};
  log(LogLevel::info, "central_joined",
      {{"replica", std::string_view{options_.name}}, {"epoch", joined->epoch}});
  published_ = joined->published;
  // A journal's first time: what the others have already stays as theirs; of the rest the latest
  // state is told.
  if (published_ == 0 && !own_.empty()) {
    const auto theirs = store_.definitions_in_force();
    if (!theirs) return std::unexpected{theirs.error()};
    std::set<std::string> known;
    for (const auto& one : *theirs) known.insert(one.subject);
    std::map<std::pair<std::string, EntryKind>, std::int64_t> latest;
    for (const auto& one : own_) latest[{one.subject, one.kind}] = one.seq;
    std::erase_if(own_, [&](const Definition& one) {
      return known.contains(one.subject) || latest[{one.subject, one.kind}] != one.seq;
    });
  }
  for (const auto& one : own_) {
    if (one.seq <= published_) continue;
    if (auto told = publish_one(one); !told) return told;
  }
  own_.clear();
  if (auto done = publish(); !done) return done;
  const auto in_force = store_.definitions_in_force();
  if (!in_force) return std::unexpected{in_force.error()};
  take_over(*in_force);
  if (auto done = beat(); !done) return done;
  const auto held = store_.held(identity_.journal);
  if (!held) return std::unexpected{held.error()};
  if (auto done = exchange(books_.unknown_leases(*held)); !done) return done;
  joined_ = true;
  return {};
}

Result<void> LeaseKeeper::beat() {
  // The deadline counts from before the question: the central ledger's own is later, whatever the
  // way takes.
  const auto asked = clock_.monotonic();
  ++exchanges_;
  const auto pulse =
      store_.beat(books_.figures().entries_durable, published_, options_.lease_length);
  if (!pulse) return std::unexpected{pulse.error()};
  beaten_ = asked;
  books_.central_heard(asked + options_.lease_length - options_.stop_before);
  if (std::exchange(told_lost_, false)) log(LogLevel::info, "central_found");
  books_.recall(pulse->short_of);
  if (pulse->newest > known_) return learn();
  return {};
}

Result<void> LeaseKeeper::learn() {
  const auto definitions = store_.definitions(known_);
  if (!definitions) return std::unexpected{definitions.error()};
  take_over(*definitions);
  return {};
}

void LeaseKeeper::take_over(const std::vector<Definition>& definitions) {
  bool keys = false;
  for (const auto& one : definitions) {
    if (books_.apply_definition(one)) keys = keys || one.kind != EntryKind::budget_set;
    known_ = std::max(known_, one.seq);
  }
  if (keys) keys_changed_();
}

Result<void> LeaseKeeper::publish_one(const Definition& definition) {
  std::optional<BudgetSettings> settings;
  if (definition.kind == EntryKind::budget_set) {
    auto parsed = parse_budget(definition.detail);
    if (parsed) settings = std::move(parsed->settings);
  }
  if (auto told = store_.define(definition, settings ? &*settings : nullptr); !told) return told;
  published_ = std::max(published_, definition.seq);
  return {};
}

Result<void> LeaseKeeper::publish() {
  for (const auto& one : books_.unpublished()) {
    if (auto told = publish_one(one); !told) return told;
    books_.published(one.seq);
  }
  {
    const std::lock_guard lock{mutex_};
    published_shown_ = published_;
  }
  changed_.notify_all();
  return {};
}

Result<void> LeaseKeeper::exchange() {
  for (std::size_t first = 0; first == 0 || first < books_.rules_watched(); first += slice) {
    if (auto done = exchange(books_.lease_questions(first, slice)); !done) return done;
  }
  return {};
}

Result<void> LeaseKeeper::exchange(const std::vector<Books::LeaseQuestion>& questions) {
  if (questions.empty()) return {};
  std::vector<LeaseAsk> asks;
  asks.reserve(questions.size());
  for (const auto& question : questions) asks.push_back(question.ask);
  ++exchanges_;
  const auto grants = store_.exchange(asks, options_.block_max);
  if (!grants) return std::unexpected{grants.error()};
  for (const auto& grant : *grants) books_.lease_answered(questions.at(grant.ask), grant);
  return {};
}

Result<void> LeaseKeeper::tidy() {
  const auto now = clock_.monotonic();
  if (tidied_ != Monotonic{} && now - tidied_ < tidy_interval) return {};
  tidied_ = now;
  if (auto done = store_.reclaim(options_.reclaim_after, options_.quarantine); !done) return done;
  books_.forget_idle_rules();
  auto figures = store_.figures();
  if (!figures) return std::unexpected{figures.error()};
  for (const auto& fault : figures->faults)
    log(LogLevel::warn, "central_fault", {{"fault", std::string_view{fault}}});
  const std::lock_guard lock{mutex_};
  central_ = *std::move(figures);
  return {};
}

void LeaseKeeper::failed(const Error& error) {
  ++failures_;
  const bool stale = error.code == "central_stale";
  // A refused statement leaves a connection that works; what it was about is asked again.
  if (error.code == "central_failed" && store_.connected()) {
    log(LogLevel::error, "central_failed", {{"message", std::string_view{error.message}}});
    return;
  }
  store_.disconnect();
  books_.central_lost(stale);
  // Whoever took our name has it until this process is started again.
  retry_at_ = stale ? Monotonic::max() : clock_.monotonic() + retry_pause;
  if (!std::exchange(told_lost_, true)) {
    log(stale ? LogLevel::error : LogLevel::warn, stale ? "central_superseded" : "central_lost",
        {{"message", std::string_view{error.message}}});
  }
  changed_.notify_all();
}

Result<void> LeaseKeeper::wait_published() {
  const auto wanted = books_.last_definition();
  bell_.ring_urgently();
  std::unique_lock lock{mutex_};
  if (changed_.wait_for(lock, 2 * options_.patience, [&] { return published_shown_ >= wanted; }))
    return {};
  return std::unexpected{gateway_error(
      503, "central_unreachable",
      "done on this replica; the others are told as soon as the central ledger can be reached")};
}

Result<CentralFigures> LeaseKeeper::check() {
  std::unique_lock lock{mutex_};
  check_wanted_ = true;
  checked_.reset();
  lock.unlock();
  bell_.ring_urgently();
  lock.lock();
  if (changed_.wait_for(lock, 3 * options_.patience, [&] { return checked_.has_value(); }))
    return *checked_;
  return std::unexpected{
      gateway_error(503, "central_unreachable", "the central ledger cannot be reached")};
}

void LeaseKeeper::answer_check() {
  {
    const std::lock_guard lock{mutex_};
    if (!check_wanted_) return;
  }
  auto figures = store_.figures();
  {
    const std::lock_guard lock{mutex_};
    check_wanted_ = false;
    checked_.emplace(std::move(figures));
  }
  changed_.notify_all();
}

ReplicaFigures LeaseKeeper::figures() const {
  auto figures = books_.replica_figures();
  figures.exchanges = exchanges_;
  figures.failures = failures_;
  const std::lock_guard lock{mutex_};
  figures.leased = central_.leased;
  figures.quarantine = central_.quarantine;
  figures.live = central_.live;
  return figures;
}

}  // namespace turnpike::account
