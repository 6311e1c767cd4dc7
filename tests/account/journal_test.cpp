// The journal on disk: encoding, the two halves (front journal and SQLite), starting again after
// any death, and the stores that must be refused.
#include "account_fixture.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>

#include <fmt/format.h>
#include <sqlite3.h>

#include "account/definitions.hpp"
#include "account/fields.hpp"
#include "account/front_journal.hpp"
#include "account/store.hpp"

using namespace turnpike;
using namespace turnpike::account;
using namespace turnpike::account::testing;

namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
constexpr bool sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool sanitized = false;
#endif

void copy_ledger(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::filesystem::remove_all(to);
  std::filesystem::create_directories(to);
  for (const auto& file : std::filesystem::directory_iterator{from}) {
    std::filesystem::copy_file(file.path(), to / file.path().filename());
  }
}

void sql(const std::filesystem::path& directory, const std::string& text) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open((directory / "ledger.sqlite").c_str(), &db) == SQLITE_OK);
  REQUIRE(sqlite3_exec(db, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(db);
}

std::string open_error(Fixture& f) {
  const auto opened = Ledger::open(f.options, f.clock, f.randomness);
  REQUIRE_FALSE(opened);
  INFO(opened.error().message);
  CHECK(opened.error().message.find(f.options.directory.string()) != std::string::npos);
  return opened.error().code;
}

}  // namespace

TEST_CASE("crc32c gives the published values and continues", "[account][entry]") {
  CHECK(crc32c("123456789") == 0xe3069283U);  // RFC 3720, appendix B.4 family
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aaU);
  CHECK(crc32c("56789", crc32c("1234")) == crc32c("123456789"));
}

TEST_CASE("an entry survives encoding with any values, and no cut of it is an entry",
          "[account][entry]") {
  std::mt19937_64 random{3};
  for (int i = 0; i < 1000; ++i) {
    Entry entry;
    entry.kind = static_cast<EntryKind>(1 + random() % 16);
    const auto any = [&] {
      return static_cast<std::int64_t>(random() >> (random() % 64)) * (random() % 2 == 0 ? 1 : -1);
    };
    entry.seq = any();
    entry.at = any();
    entry.attempt = any();
    entry.amount = i == 0 ? INT64_MIN : any();
    entry.tokens = INT64_MAX;
    entry.usage = {any(), any(), any(), any(), any(), any()};
    entry.decision = std::string(random() % 30, 'x');
    entry.detail = std::string(random() % 300, '\n');
    std::string bytes;
    encode(entry, bytes);
    REQUIRE(decode(bytes) == entry);
    for (std::size_t cut = 0; cut < bytes.size(); cut += 7)
      REQUIRE_FALSE(decode(bytes.substr(0, cut)));
  }
}

TEST_CASE("details survive odd characters", "[account][entry]") {
  Fields fields;
  fields.add("a", "100% of\r\nlines = fine %0A");
  fields.add("a", "second");
  const Fields read{fields.str()};
  CHECK(read.text("a") == "100% of\r\nlines = fine %0A");
  CHECK(read.all("a").size() == 2);
  const auto quote = plain_quote();
  CHECK(parse_price(price_detail(quote)) == quote);
}

TEST_CASE("balances, budgets and spending are the same after a restart", "[account][journal]") {
  Fixture f;
  f.options.checkpoint_entries = 50;
  f.reopen();
  f.set_limit("org:acme", "10.00");
  f.set_limit("key:k1", "5.00", WindowKind::day, "Europe/Berlin");
  for (int i = 0; i < 300; ++i) {
    f.reserve().settle_exact(used(i, 2 * i));
    f.clock.advance(std::chrono::minutes{i});
    if (i % 100 == 50) f.reopen();
  }
  const auto org = f.window("org:acme");
  const auto key = f.window("key:k1");
  const auto spent = f.ledger->spend({}).value().at(0);
  f.reopen();
  CHECK(f.window("org:acme").settled == org.settled);
  CHECK(f.window("key:k1").settled == key.settled);
  CHECK(f.ledger->spend({}).value().at(0).cost == spent.cost);
  CHECK(spent.attempts == 300);
  CHECK(spent.cost == nano(299 * 300 / 2 * 5000));
  f.verify_closed();
}

TEST_CASE("a copy taken at any moment recovers: what was reserved is settled as an estimate",
          "[account][journal]") {
  Fixture f;
  f.set_limit("org:acme", "10.00");
  auto streaming = f.reserve(1000, 1000);
  (void)streaming.dispatch();
  streaming.observe(300, Monotonic{std::chrono::seconds{1}});
  auto request = f.request(1000, 1000);
  request.streaming = false;
  auto whole = f.ledger->reserve(request);
  REQUIRE(whole);
  auto settled = f.reserve(1000, 1000);
  settled.settle_exact(used(1000, 0));
  // No flush: much of this is in the front journal only, exactly as after kill -9.
  Fixture dead;
  dead.ledger.reset();
  copy_ledger(f.options.directory, dead.options.directory);
  dead.open();
  CHECK(dead.ledger->recovery().attempts_closed == 2);
  CHECK(dead.ledger->figures().attempts_open == 0);
  const auto window = dead.window("org:acme");
  CHECK(window.reserved == Credits{});
  // last progress + one interval of 256 tokens + the prompt's estimate; the reservation; the exact
  // one
  CHECK(window.settled == nano((500 * 1000 + (300 + 256) * 2000) + 3'000'000 + 1'000'000));
  dead.reopen();
  CHECK(dead.ledger->recovery().attempts_closed == 0);
  CHECK(dead.verify_closed().attempts_open == 0);
}

TEST_CASE("a torn tail of the front journal is dropped and reported", "[account][journal]") {
  Fixture f;
  f.ledger.reset();
  f.options.commit_interval =
      std::chrono::milliseconds{5000};  // everything stays in the front journal
  f.open();
  for (int i = 0; i < 5; ++i) f.reserve().settle_exact(used(i, i));
  Fixture dead;
  dead.ledger.reset();
  const auto copy = [&] { copy_ledger(f.options.directory, dead.options.directory); };
  copy();
  const auto stored =
      Store::open(dead.options.directory, Store::Access::write).value().tail().value();
  const auto whole = FrontJournal::read(dead.options.directory, stored.seq, stored.chain);
  REQUIRE(whole.entries.size() >= 10);
  const auto file = dead.options.directory / "journal.front.0";
  const auto bytes = std::filesystem::file_size(file);
  for (std::uintmax_t cut = 1; cut < bytes; cut += 13) {
    copy();
    std::filesystem::resize_file(file, bytes - cut);
    const auto report = verify(dead.options.directory);
    REQUIRE(report);
    REQUIRE(report->ok());
    dead.open();
    REQUIRE(dead.ledger->figures().attempts_open == 0);
    dead.verify_closed();
  }
  copy();
  {  // a flipped bit ends the journal there
    std::fstream stream{file, std::ios::in | std::ios::out | std::ios::binary};
    stream.seekp(static_cast<std::streamoff>(bytes / 2));
    stream.put('\xff');
  }
  dead.open();
  CHECK(dead.ledger->recovery().torn_bytes > 0);
  dead.verify_closed();
}

TEST_CASE("front segments take turns and stay small", "[account][journal]") {
  Fixture f;
  f.ledger.reset();
  f.options.front_segment_bytes = 4096;
  f.options.commit_interval = std::chrono::milliseconds{1};
  f.open();
  for (int i = 0; i < 3000; ++i) {
    f.reserve().settle_exact(used(1, 1));
    if (i % 50 == 0) f.ledger->flush();
  }
  f.ledger->flush();
  CHECK(f.ledger->figures().front_bytes < 64 * 1024);
  Fixture dead;
  dead.ledger.reset();
  copy_ledger(f.options.directory, dead.options.directory);
  dead.open();
  CHECK(dead.ledger->spend({}).value().at(0).attempts == 3000);
  dead.verify_closed();
}

TEST_CASE("10,000 open attempts are closed within half a second at start", "[account][journal]") {
  Fixture f;
  std::vector<Reservation> open;
  for (int i = 0; i < 10'000; ++i) open.push_back(f.reserve());
  Fixture dead;
  dead.ledger.reset();
  f.ledger->flush();
  copy_ledger(f.options.directory, dead.options.directory);
  const SystemClock clock;
  auto opened = Ledger::open(dead.options, clock, dead.randomness);
  REQUIRE(opened);
  CHECK((*opened)->recovery().attempts_closed == 10'000);
  WARN("closing 10,000 attempts took " << (*opened)->recovery().took.count() / 1000 << " ms");
  if (!sanitized) CHECK((*opened)->recovery().took <= std::chrono::milliseconds{500});
}

TEST_CASE("decision records are found by id and never block", "[account][journal]") {
  Fixture f;
  Exchange exchange;
  exchange.decision_id = "01JDAAAAAAAAAAAAAAAAAAAAAB";
  exchange.at = f.clock.now();
  exchange.account = std::make_shared<Account>(f.account);
  exchange.facts.question = "a secret prompt";
  exchange.facts.tool_tail = "a secret result";
  exchange.facts.model = "auto \"quoted\"\n";
  exchange.decision.tier = "bulk";
  exchange.decision.candidates.push_back({.provider = "acme", .model = "plain", .quote = f.quote});
  exchange.decision.why.push_back({Reason::below_threshold, "0.3 < 0.5"});
  exchange.decision.switch_cost = {120'000, true};
  exchange.attempts.push_back({.id = "a.1", .target = "acme/plain", .cost = nano(5)});
  f.ledger->record(exchange);
  const auto record = f.ledger->decision_json(exchange.decision_id);
  REQUIRE(record);
  CHECK(record->find(R"("id":"01JDAAAAAAAAAAAAAAAAAAAAAB")") != std::string::npos);
  CHECK(record->find(R"("model":"auto \"quoted\"\u000a")") != std::string::npos);
  CHECK(record->find(R"({"reason":"below_threshold","detail":"0.3 < 0.5"})") != std::string::npos);
  CHECK(record->find(R"("switch_cost":{"cached_tokens_lost":120000,"thinking_lost":true},"why":[)") !=
        std::string::npos);
  CHECK(record->find("secret") == std::string::npos);
  CHECK(f.ledger->decision_json("01JDAAAAAAAAAAAAAAAAAAAAAC") == std::nullopt);

  SeededRandomness random;
  std::vector<std::string> ids;
  for (int i = 0; i < 2000; ++i) {  // many in one millisecond, and ids that are not ULIDs
    exchange.decision_id = i % 10 == 0 ? fmt::format("odd-{}", i) : make_id(f.clock.now(), random);
    ids.push_back(exchange.decision_id);
    f.ledger->record(exchange);
  }
  for (const auto& id : ids) {
    const auto found = f.ledger->decision_json(id);
    REQUIRE(found);
    REQUIRE(found->find(id) != std::string::npos);
  }
  CHECK(f.ledger->recent_decisions(10).size() == 10);
  CHECK(f.ledger->figures().records_dropped == 0);
  f.ledger.reset();
  f.options.records_queued_max = 3;
  f.options.commit_interval = std::chrono::seconds{5};
  f.open();
  for (int i = 0; i < 5; ++i) f.ledger->record(exchange);
  CHECK(f.ledger->figures().records_dropped == 2);
}

TEST_CASE("B23 a second process is told that the ledger is in use, the first is unharmed",
          "[account][journal]") {
  Fixture f;
  CHECK(open_error(f) == "store_locked");
  const auto child = ::fork();
  if (child == 0) {
    auto opened = Ledger::open(f.options, f.clock, f.randomness);
    ::_exit(!opened && opened.error().code == "store_locked" ? 73 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WEXITSTATUS(status) == 73);
  CHECK(verify(f.options.directory).error().code == "store_locked");
  f.reserve().settle_exact(used(1, 1));
  f.verify_closed();
}

TEST_CASE("a ledger of schema version 1 is upgraded and goes on", "[account][journal]") {
  Fixture f;
  f.set_limit("org:acme", "1.00");
  f.reserve().settle_exact(used(10, 1));
  f.ledger.reset();
  // Version 1 had the same entries without these columns; none of this journal's uses them.
  for (const char* column : {"tier", "web_search", "web_fetch", "code_execution", "file_search"}) {
    sql(f.options.directory, ("ALTER TABLE journal DROP COLUMN " + std::string{column}).c_str());
  }
  sql(f.options.directory, "PRAGMA user_version=1");
  CHECK(verify(f.options.directory).error().code == "store_schema");
  f.open();
  f.reserve().settle_exact(used(10, 1));
  f.verify_closed();
}

TEST_CASE("B22 stores that cannot be trusted are refused with a message", "[account][journal]") {
  Fixture f;
  f.set_limit("org:acme", "1.00");
  for (int i = 0; i < 500; ++i) f.reserve().settle_exact(used(1, 1));
  f.ledger.reset();
  const auto file = f.options.directory / "ledger.sqlite";
  SECTION("unknown schema version") {
    sql(f.options.directory, "PRAGMA user_version=3");
    CHECK(open_error(f) == "store_schema");
    CHECK(verify(f.options.directory).error().code == "store_schema");
  }
  SECTION("somebody else's database") {
    std::filesystem::remove(file);
    sql(f.options.directory, "CREATE TABLE guests(name TEXT)");
    CHECK(open_error(f) == "store_schema");
  }
  SECTION("not a database") {
    std::ofstream{file, std::ios::trunc} << std::string(10'000, 'x');
    CHECK(open_error(f) == "store_corrupt");
  }
  SECTION("a corrupted page") {
    std::fstream stream{file, std::ios::in | std::ios::out | std::ios::binary};
    stream.seekp(4096 * 4);
    stream << std::string(4096, '\xa5');
    stream.close();
    CHECK(open_error(f) == "store_corrupt");
  }
  SECTION("a missing ledger has nothing to verify") {
    std::filesystem::remove(file);
    CHECK(verify(f.options.directory).error().code == "store_missing");
  }
  SECTION("a directory that cannot be made") {
    std::ofstream{f.options.directory / "file"} << "x";
    f.options.directory /= "file";
    CHECK(open_error(f) == "store_read_only");
  }
  SECTION("a directory that cannot be written") {
    // Root may write everywhere, so somebody else tries.
    constexpr uid_t nobody = 65534;
    const bool root = ::geteuid() == 0;
    for (const auto& item : std::filesystem::directory_iterator{f.options.directory}) {
      if (root) REQUIRE(::chown(item.path().c_str(), nobody, nobody) == 0);
    }
    if (root) REQUIRE(::chown(f.options.directory.c_str(), nobody, nobody) == 0);
    ::chmod(f.options.directory.c_str(), 0500);
    const auto child = ::fork();
    if (child == 0) {
      if (root && ::setuid(nobody) != 0) ::_exit(2);
      const auto opened = Ledger::open(f.options, f.clock, f.randomness);
      ::_exit(!opened && opened.error().code == "store_read_only" ? 74 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WEXITSTATUS(status) == 74);
    ::chmod(f.options.directory.c_str(), 0700);
  }
}

TEST_CASE("a full disk stops admission, running requests are settled, and it resumes by itself",
          "[account][journal]") {
  const auto child = ::fork();  // while no ledger's thread runs: the thread sanitizer insists
  REQUIRE(child >= 0);
  if (child == 0) {
    // In a process of its own: the limit on file sizes plays the full disk.
    ::signal(SIGXFSZ, SIG_IGN);
    Fixture g;
    g.set_limit("org:acme", "10.00");
    auto running = g.reserve();
    (void)running.dispatch();
    g.ledger->flush();
    rlimit none{4096, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &none);
    int refused = 0;
    for (int i = 0; i < 300; ++i) {
      auto reservation = g.ledger->reserve(g.request());
      if (!reservation && reservation.error().code == "ledger_unavailable") ++refused;
      ::usleep(1000);
    }
    const bool stopped = refused > 0 && !g.ledger->writable();
    running.settle_exact(used(1000, 0));
    rlimit all{RLIM_INFINITY, RLIM_INFINITY};
    ::setrlimit(RLIMIT_FSIZE, &all);
    bool resumed = false;
    for (int i = 0; i < 5000 && !resumed; ++i) {
      ::usleep(1000);
      resumed = g.ledger->writable() && g.ledger->reserve(g.request()).has_value();
    }
    g.ledger.reset();
    const auto report = verify(g.options.directory);
    const bool kept =
        report && report->ok() && report->attempts_open == 0 && report->settled == nano(1'000'000);
    std::filesystem::remove_all(g.options.directory);
    ::_exit((stopped ? 0 : 1) | (resumed ? 0 : 2) | (kept ? 0 : 4));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
