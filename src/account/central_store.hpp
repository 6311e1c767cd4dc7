// The central ledger in PostgreSQL, as one replica sees it. The only user of libpq: one connection,
// one thread at a time (LeaseKeeper's). Every call is one statement and so one transaction:
// whatever happens to the connection, no lock stays behind, and a call whose answer was lost may be
// repeated.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "account/replica.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"
#include "turnpike/secret.hpp"

struct pg_conn;
struct pg_result;

namespace turnpike::account {

/// Error codes: `central_unreachable` (the connection is gone; connect() again), `central_failed`
/// (it answered with an error), `central_stale` (another process speaks for this replica now),
/// `central_schema`, `central_pepper`, `central_journal` (the local journal is older than what was
/// reported from it), `central_address`. No message holds the connection string.
class CentralStore {
 public:
  /// Checks the connection string and connects to nothing.
  static Result<CentralStore> make(Secret address, const Clock& clock,
                                   std::chrono::milliseconds patience);
  CentralStore(CentralStore&&) noexcept;
  CentralStore& operator=(CentralStore&&) = delete;
  ~CentralStore();

  /// Connects anew; makes or migrates the tables. A schema newer than this program's is refused.
  Result<void> connect();
  [[nodiscard]] bool connected() const { return connection_ != nullptr; }
  void disconnect();

  /// Begins an epoch: from its answer on, older ones are refused. Also fixes the pepper that all
  /// replicas share.
  Result<Joined> join(const ReplicaIdentity& identity);
  [[nodiscard]] std::int64_t epoch() const { return epoch_; }

  /// Renews all leases. `durable`, `published`: entries of the local journal.
  Result<Pulse> beat(std::int64_t durable, std::int64_t published,
                     std::chrono::milliseconds lease_length);
  /// The answers need not be in the order of the asks; asks for rules that nobody defined get none.
  Result<std::vector<LeaseGrant>> exchange(std::span<const LeaseAsk> asks, Credits block_max);
  /// What this replica's journal still has to account for.
  Result<std::vector<HeldLease>> held(std::string_view journal);
  Result<void> reclaim(std::chrono::milliseconds grace, std::chrono::milliseconds quarantine);

  /// `budget`: the settings, if the definition is a budget's. May be repeated.
  Result<void> define(const Definition& definition, const BudgetSettings* budget);
  Result<std::vector<Definition>> definitions(std::int64_t after);
  /// The last definition of each kind for each subject, in order: what a start needs.
  Result<std::vector<Definition>> definitions_in_force();

  Result<CentralFigures> figures();

 private:
  struct Closer {
    void operator()(pg_conn* connection) const;
    void operator()(pg_result* result) const;
  };
  using Answer = std::unique_ptr<pg_result, Closer>;

  CentralStore(Secret address, const Clock& clock, std::chrono::milliseconds patience);
  Result<void> migrate();
  Result<void> check_pepper(std::string_view fingerprint);
  Result<Answer> ask(const char* sql, std::span<const std::string> values = {});
  /// Several statements separated by semicolons, without values.
  Result<void> run(const std::string& sql);
  Result<Answer> receive(Monotonic until);
  [[nodiscard]] bool wait(bool for_writing, Monotonic until) const;
  Error lost(std::string_view doing);
  Error refused(const pg_result* answer);

  Secret address_;
  const Clock* clock_;
  std::chrono::milliseconds patience_;
  std::unique_ptr<pg_conn, Closer> connection_;
  std::string replica_;
  std::int64_t epoch_ = 0;
};

}  // namespace turnpike::account
