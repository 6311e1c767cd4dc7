#include "account/central_store.hpp"

#include <poll.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include <fmt/format.h>
#include <libpq-fe.h>

#include "account/central_schema.hpp"
#include "account/definitions.hpp"

namespace turnpike::account {

namespace {

constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

std::int64_t micros(Instant instant) { return instant.time_since_epoch().count(); }
std::int64_t end_of(const Span& span) { return span.end ? micros(*span.end) : never; }

/// "month UTC 0": what rules that count the same span share.
std::string span_text(const WindowRule& rule) {
  return fmt::format("{} {} {}", to_string(rule.kind), rule.zone, rule.duration.count());
}

/// The order in which rules are locked. Source: reliability specification, "Several replicas".
int rank_of(std::string_view budget) {
  if (budget.starts_with("org:")) return 1;
  if (budget.starts_with("team:")) return 2;
  if (budget.starts_with("user:")) return 3;
  if (budget.starts_with("key:")) return 4;
  return 0;
}

/// An array as PostgreSQL reads it: {"a","b"}.
class ArrayText {
 public:
  void add(std::string_view value) {
    text_ += text_.size() > 1 ? ",\"" : "\"";
    for (const char c : value) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    text_ += '"';
  }
  void add(std::int64_t value) {
    if (text_.size() > 1) text_ += ',';
    text_ += std::to_string(value);
  }
  std::string take() {
    text_ += '}';
    return std::move(text_);
  }

 private:
  std::string text_ = "{";
};

std::string_view text_at(const pg_result* answer, int row, int column) {
  return {PQgetvalue(answer, row, column),
          static_cast<std::size_t>(PQgetlength(answer, row, column))};
}

std::int64_t number_at(const pg_result* answer, int row, int column) {
  const auto text = text_at(answer, row, column);
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// Columns budget, span, start_us, end_us from `first` on.
std::optional<WindowName> window_at(const pg_result* answer, int row, int first) {
  const auto rule = parse_rule(fmt::format("{} 0", text_at(answer, row, first + 1)));
  if (!rule) return std::nullopt;
  WindowName window{std::string{text_at(answer, row, first)}, *rule, {}};
  window.span.start = Instant{std::chrono::microseconds{number_at(answer, row, first + 2)}};
  const auto end = number_at(answer, row, first + 3);
  if (end != never) window.span.end = Instant{std::chrono::microseconds{end}};
  return window;
}

}  // namespace

void CentralStore::Closer::operator()(pg_conn* connection) const { PQfinish(connection); }
void CentralStore::Closer::operator()(pg_result* result) const { PQclear(result); }

CentralStore::CentralStore(Secret address, const Clock& clock, std::chrono::milliseconds patience)
    : address_(std::move(address)), clock_(&clock), patience_(patience) {}
CentralStore::CentralStore(CentralStore&&) noexcept = default;
CentralStore::~CentralStore() = default;

Result<CentralStore> CentralStore::make(Secret address, const Clock& clock,
                                        std::chrono::milliseconds patience) {
  char* fault = nullptr;
  auto* options = PQconninfoParse(address.reveal().c_str(), &fault);
  // libpq's own message may quote the string, password and all.
  if (fault != nullptr) PQfreemem(fault);
  if (options == nullptr) {
    return std::unexpected{
        gateway_error(500, "central_address",
                      "the address of the central ledger cannot be read; write "
                      "postgresql://user@host:5432/database or host=... dbname=...")};
  }
  PQconninfoFree(options);
  return CentralStore{std::move(address), clock, patience};
}

void CentralStore::disconnect() { connection_.reset(); }

Error CentralStore::lost(std::string_view doing) {
  std::string why = connection_ ? PQerrorMessage(connection_.get()) : "";
  std::replace(why.begin(), why.end(), '\n', ' ');
  if (why.empty()) why = "no answer in time";
  connection_.reset();
  return gateway_error(503, "central_unreachable",
                       fmt::format("{}: {}", doing, quoted_for_message(why)));
}

Error CentralStore::refused(const pg_result* answer) {
  const auto field = [&](int code) {
    const char* text = PQresultErrorField(answer, code);
    return std::string{text == nullptr ? "" : text};
  };
  const auto state = field(PG_DIAG_SQLSTATE);
  const auto why = quoted_for_message(field(PG_DIAG_MESSAGE_PRIMARY));
  if (state == "TP001") {
    return gateway_error(503, "central_stale",
                         fmt::format("another process speaks for replica {} now: {}",
                                     quoted_for_message(replica_), why));
  }
  if (state == "TP002") {
    return gateway_error(503, "central_journal",
                         fmt::format("the local journal is older than what replica {} has reported "
                                     "from it ({}); restore the "
                                     "newer one, or give this replica another name",
                                     quoted_for_message(replica_), why));
  }
  // 57P01-57P03: the server is going down or starting.
  if (state.starts_with("57P")) return lost("the central ledger closed the connection");
  return gateway_error(503, "central_failed",
                       fmt::format("the central ledger refused: {} ({})", why, state));
}

/// Waits until the socket is ready; false if that takes too long.
bool CentralStore::wait(bool for_writing, Monotonic until) const {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(until - clock_->monotonic());
  if (left.count() <= 0) return false;
  pollfd ready{PQsocket(connection_.get()), static_cast<short>(for_writing ? POLLOUT : POLLIN), 0};
  return ::poll(&ready, 1, static_cast<int>(left.count())) > 0;
}

Result<void> CentralStore::connect() {
  connection_.reset(PQconnectStart(address_.reveal().c_str()));
  const auto until = clock_->monotonic() + patience_;
  if (!connection_ || PQstatus(connection_.get()) == CONNECTION_BAD) {
    return std::unexpected{lost("the central ledger cannot be reached")};
  }
  auto step = PGRES_POLLING_WRITING;
  while (step != PGRES_POLLING_OK) {
    if (step == PGRES_POLLING_FAILED || !wait(step == PGRES_POLLING_WRITING, until)) {
      return std::unexpected{lost("the central ledger cannot be reached")};
    }
    step = PQconnectPoll(connection_.get());
  }
  PQsetnonblocking(connection_.get(), 1);
  PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
  // A grant counts once its commit is on the server's disk, whatever the server's default is.
  const auto settings = fmt::format(
      "SET synchronous_commit = on; SET statement_timeout = {0}; SET lock_timeout = {0}; SET "
      "idle_in_transaction_session_timeout = {0}; SET default_transaction_isolation = 'read "
      "committed'; SET "
      "application_name = 'turnpike'",
      patience_.count());
  if (auto set = run(settings); !set) return set;
  return migrate();
}

Result<void> CentralStore::migrate() {
  // Two replicas may begin at once; the second waits for the first.
  auto prepared = run(
      "BEGIN; SELECT pg_advisory_xact_lock(hashtext('turnpike.schema')); CREATE SCHEMA IF NOT "
      "EXISTS turnpike; CREATE "
      "TABLE IF NOT EXISTS turnpike.meta (version int NOT NULL, pepper text NOT NULL DEFAULT '')");
  if (!prepared) return prepared;
  const auto found = ask("SELECT coalesce(max(version), 0) FROM turnpike.meta");
  if (!found) return std::unexpected{found.error()};
  const auto version = number_at(found->get(), 0, 0);
  if (version > central_version) {
    connection_.reset();
    return std::unexpected{gateway_error(
        503, "central_schema",
        fmt::format("the central ledger has schema {}, this program knows {}; upgrade it", version,
                    central_version))};
  }
  for (auto at = static_cast<std::size_t>(version); at < central_steps.size(); ++at) {
    if (auto stepped = run(std::string{central_steps.at(at)}); !stepped) return stepped;
  }
  if (version == 0) {
    if (auto made = run(fmt::format("INSERT INTO turnpike.meta VALUES ({})", central_version));
        !made)
      return made;
  } else if (version < central_version) {
    if (auto raised = run(fmt::format("UPDATE turnpike.meta SET version = {}", central_version));
        !raised)
      return raised;
  }
  return run("COMMIT");
}

Result<CentralStore::Answer> CentralStore::receive(Monotonic until) {
  Answer last;
  while (true) {
    while (PQisBusy(connection_.get()) == 1) {
      if (!wait(false, until) || PQconsumeInput(connection_.get()) == 0) {
        return std::unexpected{lost("the central ledger does not answer")};
      }
    }
    Answer next{PQgetResult(connection_.get())};
    if (!next) break;
    const auto status = PQresultStatus(next.get());
    const bool failed = status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK;
    // The first failure is what went wrong; what follows it is noise.
    if (!last || PQresultStatus(last.get()) != PGRES_FATAL_ERROR) last = std::move(next);
    if (failed && PQstatus(connection_.get()) == CONNECTION_BAD)
      return std::unexpected{lost("the central ledger is gone")};
  }
  if (!last) return std::unexpected{lost("the central ledger gave no answer")};
  if (PQresultStatus(last.get()) == PGRES_FATAL_ERROR) return std::unexpected{refused(last.get())};
  return last;
}

Result<CentralStore::Answer> CentralStore::ask(const char* sql,
                                               std::span<const std::string> values) {
  if (!connection_) return std::unexpected{lost("the central ledger is not connected")};
  std::vector<const char*> texts;
  texts.reserve(values.size());
  for (const auto& value : values) texts.push_back(value.c_str());
  const auto until = clock_->monotonic() + patience_;
  if (PQsendQueryParams(connection_.get(), sql, static_cast<int>(texts.size()), nullptr,
                        texts.data(), nullptr, nullptr, 0) != 1) {
    return std::unexpected{lost("the central ledger takes no question")};
  }
  for (int left = PQflush(connection_.get()); left != 0; left = PQflush(connection_.get())) {
    if (left < 0 || !wait(true, until))
      return std::unexpected{lost("the central ledger takes no question")};
  }
  return receive(until);
}

Result<void> CentralStore::run(const std::string& sql) {
  const auto until = clock_->monotonic() + patience_;
  if (PQsendQuery(connection_.get(), sql.c_str()) != 1)
    return std::unexpected{lost("the central ledger takes no command")};
  for (int left = PQflush(connection_.get()); left != 0; left = PQflush(connection_.get())) {
    if (left < 0 || !wait(true, until))
      return std::unexpected{lost("the central ledger takes no command")};
  }
  auto answer = receive(until);
  if (answer) return {};
  // Half a transaction must not stay open.
  connection_.reset();
  return std::unexpected{answer.error()};
}

Result<void> CentralStore::check_pepper(std::string_view fingerprint) {
  const std::string values[]{std::string{fingerprint}};
  auto fixed = ask("UPDATE turnpike.meta SET pepper = $1 WHERE pepper = ''", values);
  if (!fixed) return std::unexpected{fixed.error()};
  const auto same = ask("SELECT pepper = $1 FROM turnpike.meta", values);
  if (!same) return std::unexpected{same.error()};
  if (text_at(same->get(), 0, 0) == "t") return {};
  return std::unexpected{gateway_error(
      503, "central_pepper",
      "this replica's pepper is not the other replicas', so no key would work on all of them; "
      "copy the file `pepper` from the data directory of one of them")};
}

Result<Joined> CentralStore::join(const ReplicaIdentity& identity) {
  replica_ = identity.name;
  if (auto same = check_pepper(identity.pepper); !same) return std::unexpected{same.error()};
  const std::string values[]{identity.name, identity.journal, std::to_string(identity.durable)};
  const auto joined =
      ask("SELECT joined, published FROM turnpike.join_replica($1, $2, $3)", values);
  if (!joined) return std::unexpected{joined.error()};
  epoch_ = number_at(joined->get(), 0, 0);
  return Joined{epoch_, number_at(joined->get(), 0, 1)};
}

Result<Pulse> CentralStore::beat(std::int64_t durable, std::int64_t published,
                                 std::chrono::milliseconds lease_length) {
  const std::string values[]{replica_, std::to_string(epoch_), std::to_string(durable),
                             std::to_string(published), std::to_string(lease_length.count())};
  const auto renewed =
      ask("SELECT live, newest, lapsed FROM turnpike.beat($1, $2, $3, $4, $5)", values);
  if (!renewed) return std::unexpected{renewed.error()};
  Pulse pulse;
  pulse.live = number_at(renewed->get(), 0, 0);
  pulse.newest = number_at(renewed->get(), 0, 1);
  pulse.lapsed = text_at(renewed->get(), 0, 2) == "t";
  const auto wanted =
      ask("SELECT r.budget, r.span, w.start_us, w.end_us FROM turnpike.leases l JOIN "
          "turnpike.windows w ON w.id = l.window_id JOIN "
          "turnpike.rules r ON r.id = w.rule WHERE l.replica = $1 AND l.state = 'active' AND "
          "l.amount > l.used AND r.short_at > "
          "clock_timestamp() - interval '1 second'",
          std::span{values}.first(1));
  if (!wanted) return std::unexpected{wanted.error()};
  for (int row = 0; row < PQntuples(wanted->get()); ++row) {
    if (auto window = window_at(wanted->get(), row, 0))
      pulse.short_of.push_back(*std::move(window));
  }
  return pulse;
}

Result<std::vector<LeaseGrant>> CentralStore::exchange(std::span<const LeaseAsk> asks,
                                                       Credits block_max) {
  ArrayText budgets;
  ArrayText spans;
  ArrayText last;
  std::array<ArrayText, 8> numbers;  // start, end, settled, used, keep, exposed, want, least
  for (const auto& one : asks) {
    budgets.add(one.window.budget);
    spans.add(span_text(one.window.rule));
    last.add(one.last ? "t" : "f");
    const auto want = one.wants ? one.wants->want.nano() : -1;
    const auto least = one.wants ? one.wants->least.nano() : -1;
    const std::array<std::int64_t, 8> row{micros(one.window.span.start),
                                          end_of(one.window.span),
                                          one.settled.nano(),
                                          one.used.nano(),
                                          one.keep.nano(),
                                          one.exposed.nano(),
                                          want,
                                          least};
    for (std::size_t i = 0; i < row.size(); ++i) numbers.at(i).add(row.at(i));
  }
  std::vector<std::string> values{replica_, std::to_string(epoch_),
                                  std::to_string(block_max.nano()), budgets.take(), spans.take()};
  for (auto& column : numbers) values.push_back(column.take());
  values.push_back(last.take());
  const auto answer =
      ask("SELECT place, lease, amount, granted, elsewhere, free FROM turnpike.exchange($1, $2, "
          "$3, $4, $5, $6, $7, $8, $9, $10, "
          "$11, $12, $13, $14)",
          values);
  if (!answer) return std::unexpected{answer.error()};
  std::vector<LeaseGrant> grants;
  for (int row = 0; row < PQntuples(answer->get()); ++row) {
    const auto number = [&](int column) { return number_at(answer->get(), row, column); };
    const auto credits = [&](int column) { return Credits::from_nano(number(column)); };
    const auto place = static_cast<std::size_t>(number(0));
    if (place < 1 || place > asks.size()) continue;
    grants.push_back({place - 1, number(1), credits(2), credits(3), credits(4), credits(5)});
  }
  return grants;
}

Result<std::vector<HeldLease>> CentralStore::held(std::string_view journal) {
  const std::string values[]{replica_, std::string{journal}};
  const auto answer =
      ask("SELECT l.id, l.amount, l.used, r.budget, r.span, w.start_us, w.end_us FROM "
          "turnpike.leases l JOIN turnpike.windows w ON "
          "w.id = l.window_id JOIN turnpike.rules r ON r.id = w.rule WHERE l.replica = $1 AND "
          "l.journal = $2 AND l.state <> "
          "'closed' ORDER BY l.id",
          values);
  if (!answer) return std::unexpected{answer.error()};
  std::vector<HeldLease> leases;
  for (int row = 0; row < PQntuples(answer->get()); ++row) {
    auto window = window_at(answer->get(), row, 3);
    if (!window) continue;
    leases.push_back({number_at(answer->get(), row, 0), *std::move(window),
                      Credits::from_nano(number_at(answer->get(), row, 1)),
                      Credits::from_nano(number_at(answer->get(), row, 2))});
  }
  return leases;
}

Result<void> CentralStore::reclaim(std::chrono::milliseconds grace,
                                   std::chrono::milliseconds quarantine) {
  const std::string values[]{std::to_string(grace.count()), std::to_string(quarantine.count())};
  const auto answer = ask("SELECT turnpike.reclaim($1, $2)", values);
  if (!answer) return std::unexpected{answer.error()};
  return {};
}

Result<void> CentralStore::define(const Definition& definition, const BudgetSettings* budget) {
  ArrayText spans;
  ArrayText rolling;
  ArrayText limits;
  if (budget != nullptr) {
    for (const auto& rule : budget->windows) {
      spans.add(span_text(rule));
      rolling.add(
          rule.kind == WindowKind::rolling ? std::chrono::microseconds{rule.duration}.count() : 0);
      limits.add(rule.limit.nano());
    }
  }
  const std::string values[]{replica_,
                             std::to_string(epoch_),
                             std::to_string(definition.seq),
                             std::to_string(static_cast<int>(definition.kind)),
                             definition.subject,
                             definition.detail,
                             std::to_string(budget == nullptr ? -1 : rank_of(definition.subject)),
                             spans.take(),
                             rolling.take(),
                             limits.take()};
  const auto answer =
      ask("SELECT turnpike.define($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", values);
  if (!answer) return std::unexpected{answer.error()};
  return {};
}

namespace {
std::vector<Definition> definitions_in(const pg_result* answer) {
  std::vector<Definition> found;
  for (int row = 0; row < PQntuples(answer); ++row) {
    found.push_back({number_at(answer, row, 0), static_cast<EntryKind>(number_at(answer, row, 1)),
                     std::string{text_at(answer, row, 2)}, std::string{text_at(answer, row, 3)}});
  }
  return found;
}
}  // namespace

Result<std::vector<Definition>> CentralStore::definitions(std::int64_t after) {
  const std::string values[]{std::to_string(after)};
  const auto answer =
      ask("SELECT seq, kind, subject, detail FROM turnpike.definitions WHERE seq > $1 ORDER BY seq",
          values);
  if (!answer) return std::unexpected{answer.error()};
  return definitions_in(answer->get());
}

Result<std::vector<Definition>> CentralStore::definitions_in_force() {
  const auto answer =
      ask("SELECT seq, kind, subject, detail FROM turnpike.definitions WHERE seq IN (SELECT "
          "max(seq) FROM turnpike.definitions "
          "GROUP BY subject, kind) ORDER BY seq");
  if (!answer) return std::unexpected{answer.error()};
  return definitions_in(answer->get());
}

Result<CentralFigures> CentralStore::figures() {
  const auto sums =
      ask("SELECT coalesce(sum(leased), 0)::bigint, coalesce(sum(quarantine), 0)::bigint, (SELECT "
          "count(*) FROM turnpike.replicas "
          "WHERE deadline > clock_timestamp()) FROM turnpike.windows");
  if (!sums) return std::unexpected{sums.error()};
  const auto faults = ask("SELECT turnpike.faults()");
  if (!faults) return std::unexpected{faults.error()};
  CentralFigures figures{Credits::from_nano(number_at(sums->get(), 0, 0)),
                         Credits::from_nano(number_at(sums->get(), 0, 1)),
                         number_at(sums->get(), 0, 2),
                         {}};
  for (int row = 0; row < PQntuples(faults->get()); ++row)
    figures.faults.emplace_back(text_at(faults->get(), row, 0));
  return figures;
}

}  // namespace turnpike::account
