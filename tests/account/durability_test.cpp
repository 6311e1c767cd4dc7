// The ledger on a disk that misbehaves: full, failing, losing power, damaged.
#include "account_fixture.hpp"

#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "account/compare.hpp"
#include "account/store.hpp"
#include "account/wal_file.hpp"
#include "support/fault_disk.hpp"

using namespace turnpike;
using namespace turnpike::account;
using namespace turnpike::account::testing;
namespace disk = turnpike::testing::fault_disk;

namespace {

/// A ledger on the misbehaving disk.
struct DiskFixture : Fixture {
  explicit DiskFixture(Intent intent = Intent::process) {
    ledger.reset();
    options.intent = intent;
    options.commit_interval = std::chrono::milliseconds{2};
    disk::watch(options.directory);
    open();
  }
  ~DiskFixture() {
    ledger.reset();
    disk::unwatch();
  }
  DiskFixture(const DiskFixture&) = delete;
  DiskFixture& operator=(const DiskFixture&) = delete;

  [[nodiscard]] std::int64_t open_attempts() const { return ledger->figures().attempts_open; }
};

/// True as soon as the condition holds; false after a generous while.
template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 20'000; ++i) {
    if (condition()) return true;
    ::usleep(1000);
  }
  return false;
}

/// How a ledger was lost, from another thread.
struct Loss {
  std::mutex mutex;
  std::string code;
  explicit Loss(Ledger& ledger) {
    ledger.on_lost([this](const Error& why) {
      const std::lock_guard lock{mutex};
      code = why.code;
    });
  }
  std::string told() {
    const std::lock_guard lock{mutex};
    return code;
  }
};

/// The seqs of all attempts in a ledger's journal that have an end.
std::set<std::int64_t> ended_attempts(const std::filesystem::path& directory) {
  std::set<std::int64_t> ended;
  auto store = Store::open(directory, Store::Access::read);
  REQUIRE(store);
  for (const auto& entry : store->read(1, INT64_MAX).value()) {
    if (is_end(entry.kind)) ended.insert(entry.attempt);
  }
  return ended;
}

void overwrite(const std::filesystem::path& file, std::int64_t offset, const std::string& bytes) {
  std::fstream stream{file, std::ios::in | std::ios::out | std::ios::binary};
  stream.seekp(offset);
  stream << bytes;
}

}  // namespace

TEST_CASE("B20 a full disk stops admission, what runs reaches the disk, and it resumes by itself",
          "[account][durability]") {
  DiskFixture f;
  f.set_limit("org:acme", "10.00");
  std::vector<Reservation> running;
  for (int i = 0; i < 200; ++i) {
    running.push_back(f.reserve(10, 10));
    (void)running.back().dispatch();
  }
  REQUIRE(f.ledger->flush());
  const auto reserve = f.options.directory / "reserve.space";
  CHECK(std::filesystem::file_size(reserve) == 16U << 20U);

  disk::set_free(0);
  std::string refusal;
  REQUIRE(eventually([&] {
    const auto reservation = f.ledger->reserve(f.request(10, 10));
    if (!reservation) refusal = reservation.error().code + ": " + reservation.error().message;
    return !reservation;
  }));
  CHECK(refusal == "ledger_unavailable: the ledger's disk is full; nothing is admitted");
  CHECK_FALSE(f.ledger->writable());
  CHECK(std::filesystem::file_size(reserve) == 0);

  // What still runs is booked, and is durable while the disk is as full as before.
  for (auto& reservation : running) {
    reservation.observe(300, Monotonic{});
    reservation.settle_exact(used(10, 10));
  }
  REQUIRE(eventually([&] {
    const auto figures = f.ledger->figures();
    return figures.attempts_open == 0 && figures.entries_durable == figures.entries;
  }));
  CHECK(f.ledger->figures().disk_full);
  CHECK(f.ledger->figures().store_errors == 0);
  CHECK_FALSE(f.ledger->reserve(f.request(10, 10)));
  {
    std::mt19937_64 random{1};
    Fixture dead;
    dead.ledger.reset();
    disk::lose_power(dead.options.directory, random);
    dead.open();
    CHECK(dead.window("org:acme").settled >= nano(200 * 30'000));
    dead.verify_closed();
  }

  disk::set_free(1 << 20);  // too little for the reserve
  ::usleep(600'000);
  CHECK_FALSE(f.ledger->writable());
  disk::set_free(64 << 20);
  REQUIRE(eventually([&] { return f.ledger->writable(); }));
  CHECK(std::filesystem::file_size(reserve) == 16U << 20U);
  CHECK_FALSE(f.ledger->figures().disk_full);
  f.reserve().settle_exact(used(1, 1));
  CHECK(f.verify_closed().attempts_open == 0);
}

TEST_CASE("B20 with the reserve of space used up, ends wait in memory and lose nothing",
          "[account][durability]") {
  DiskFixture f;
  f.ledger.reset();
  f.options.space_reserve_bytes = 8192;
  f.open();
  f.set_limit("org:acme", "100.00");
  std::vector<Reservation> running;
  for (int i = 0; i < 3000; ++i) running.push_back(f.reserve(10, 10));
  REQUIRE(f.ledger->flush());
  disk::set_free(0);
  for (auto& reservation : running) reservation.settle_exact(used(10, 10));
  REQUIRE(eventually([&] { return !f.ledger->writable(); }));
  ::usleep(300'000);
  CHECK(f.open_attempts() == 0);
  CHECK(f.ledger->figures().entries_durable < f.ledger->figures().entries);
  disk::set_free(-1);
  REQUIRE(eventually([&] { return f.ledger->writable(); }));
  REQUIRE(f.ledger->flush());
  CHECK(f.window("org:acme").settled == nano(3000 * 30'000));
  const auto report = f.verify_closed();
  CHECK(report.attempts == 3000);
  CHECK(report.attempts_open == 0);
}

TEST_CASE("B20 a start on a full disk admits nothing until there is room",
          "[account][durability]") {
  DiskFixture f;
  f.set_limit("org:acme", "10.00");
  f.reserve().settle_exact(used(1, 1));
  f.ledger.reset();
  disk::set_free(1 << 20);
  std::filesystem::resize_file(f.options.directory / "reserve.space", 0);  // somebody took the room
  f.open();
  CHECK_FALSE(f.ledger->writable());
  CHECK(f.ledger->figures().disk_full);
  disk::set_free(-1);
  REQUIRE(eventually([&] { return f.ledger->writable(); }));
  f.reserve().settle_exact(used(1, 1));
  f.verify_closed();
}

TEST_CASE(
    "B21 a failed fsync stops admission; the old handle writes nothing more, the store is "
    "opened anew, and what counts as durable survives a power failure",
    "[account][durability]") {
  for (const std::string file : {"ledger.sqlite-wal", "ledger.sqlite"}) {
    INFO(file);
    DiskFixture f;
    f.set_limit("org:acme", "100.00");
    for (int i = 0; i < 20; ++i) f.reserve().settle_exact(used(1, 1));
    REQUIRE(f.ledger->flush());
    disk::fail_fsync(file, 1, EIO);
    auto running = f.reserve();
    bool refused = false;
    // The database itself is fsynced only when the log is long.
    for (int i = 0; i < 5000 && disk::failed_fsyncs() == 0; ++i) {
      auto reservation = f.ledger->reserve(f.request(1, 1));
      if (reservation) reservation->settle_exact(used(1, 1));
      f.ledger->flush();
    }
    REQUIRE(disk::failed_fsyncs() == 1);
    refused = eventually([&] { return !f.ledger->writable(); });
    CHECK(refused);
    const auto again = f.ledger->reserve(f.request());
    CHECK((again || again.error().code == "ledger_unavailable"));
    running.settle_exact(used(100, 100));
    REQUIRE(eventually([&] { return f.ledger->writable(); }));
    CHECK(disk::writes_on_old_handles() == 0);
    CHECK(f.ledger->figures().store_errors == 1);
    REQUIRE(f.ledger->flush());
    const auto settled = f.window("org:acme").settled;
    std::mt19937_64 random{7};
    for (int cut = 0; cut < 10; ++cut) {
      Fixture dead;
      dead.ledger.reset();
      disk::lose_power(dead.options.directory, random);
      dead.open();
      REQUIRE(dead.window("org:acme").settled == settled);
      dead.verify_closed();
    }
    f.verify_closed();
  }
}

TEST_CASE("B21 an fsync that keeps failing ends the process after a while; nothing is lost",
          "[account][durability]") {
  DiskFixture f;
  f.set_limit("org:acme", "100.00");
  auto running = f.reserve();
  (void)running.dispatch();
  REQUIRE(f.ledger->flush());
  Loss loss{*f.ledger};
  disk::fail_fsync("ledger.sqlite-wal", 1'000'000, EIO);
  disk::fail_write("ledger.sqlite", 1'000'000, EIO);
  f.reserve().settle_exact(used(1, 1));
  REQUIRE(eventually([&] { return !f.ledger->writable(); }));
  ::usleep(300'000);
  CHECK(loss.told().empty());
  f.clock.advance(std::chrono::seconds{11});
  REQUIRE(eventually([&] { return !loss.told().empty(); }));
  CHECK(loss.told() == "store_unavailable");
  const auto refused = f.ledger->reserve(f.request());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message ==
        "the ledger's store is lost and the gateway ends; nothing is admitted");
  CHECK_FALSE(f.ledger->verify());
  running.settle_exact(used(1000, 0));
  f.ledger.reset();
  disk::unwatch();
  f.open();
  CHECK(f.ledger->recovery().entries_replayed >= 1);
  CHECK(f.ledger->recovery().attempts_closed == 0);
  CHECK(f.window("org:acme").settled == nano(1'000'000 + 3000));
  f.verify_closed();
}

TEST_CASE("B21 a store that comes back damaged or without its entries is given up at once",
          "[account][durability]") {
  DiskFixture f;
  f.set_limit("org:acme", "100.00");
  for (int i = 0; i < 500; ++i) f.reserve().settle_exact(used(1, 1));
  f.reopen();  // everything is in the database
  f.reserve().settle_exact(used(1, 1));
  REQUIRE(f.ledger->flush());
  Loss loss{*f.ledger};
  const auto file = f.options.directory / "ledger.sqlite";
  std::string expected;
  SECTION("damaged pages") {
    expected = "store_corrupt";
    overwrite(file, 16384 * 2, std::string(16384, '\xa5'));
  }
  SECTION("somebody else's file") {
    expected = "store_corrupt";
    overwrite(file, 0, std::string(100, 'x'));
  }
  SECTION("the file is gone") {
    expected = "store_missing";
    std::filesystem::remove(file);
  }
  SECTION("the write-ahead log is gone, and with it entries that were durable") {
    expected = "store_lost";
    std::filesystem::resize_file(f.options.directory / "ledger.sqlite-wal", 0);
  }
  disk::fail_fsync("ledger.sqlite-wal", 1, EIO);
  auto running = f.reserve();
  REQUIRE(eventually([&] { return !loss.told().empty(); }));
  CHECK(loss.told() == expected);
  CHECK_FALSE(f.ledger->writable());
  running.settle_exact(used(1, 1));
  CHECK(f.open_attempts() == 0);
  Loss late{*f.ledger};  // who asks later is told, too
  CHECK(late.told() == expected);
}

TEST_CASE("a failing front journal stops admission and is begun anew", "[account][durability]") {
  DiskFixture f;
  f.set_limit("org:acme", "100.00");
  auto running = f.reserve();
  disk::fail_write("journal.front.0", 1, EIO);
  CHECK_FALSE(f.ledger->reserve(f.request()));
  running.settle_exact(used(1, 1));
  REQUIRE(eventually([&] { return f.ledger->writable(); }));
  CHECK(f.ledger->figures().store_errors == 1);
  f.reserve().settle_exact(used(1, 1));

  Loss loss{*f.ledger};
  disk::fail_write("journal.front.0", 1'000'000, EIO);
  CHECK_FALSE(f.ledger->reserve(f.request()));
  ::usleep(300'000);
  CHECK(loss.told().empty());
  f.clock.advance(std::chrono::seconds{11});
  REQUIRE(eventually([&] { return loss.told() == "store_unavailable"; }));
  CHECK(f.verify_closed().attempts_open == 0);
}

TEST_CASE("two folds that differ are told apart", "[account][durability]") {
  Fixture f;
  f.set_limit("org:acme", "1.00");
  f.reserve().settle_exact(used(100, 100));
  auto open = f.reserve();
  REQUIRE(f.ledger->flush());
  Fixture copy;
  copy.ledger.reset();
  std::filesystem::remove_all(copy.options.directory);
  std::filesystem::copy(f.options.directory, copy.options.directory);
  const auto journal =
      Store::open(copy.options.directory, Store::Access::read).value().read(1, 1000).value();
  const auto fold = [&](const auto& change) {
    Balances balances;
    for (auto entry : journal) {
      change(entry);
      if (entry.seq != 0) REQUIRE(balances.apply(entry));
    }
    return balances;
  };
  const auto same = fold([](Entry&) {});
  CHECK_FALSE(difference(same, fold([](Entry&) {})));
  const auto changed = [&](auto change) {
    return difference(same, fold(change)).value_or("nothing");
  };
  CHECK(changed([](Entry& e) {
          if (e.kind == EntryKind::settle_exact) --e.amount;
        }) == "the windows of budget org:acme have other balances in the store");
  CHECK(changed([](Entry& e) {
          if (e.kind == EntryKind::reserve) ++e.amount;
        }).ends_with("is another in the store"));
  CHECK(changed([&](Entry& e) {
          if (e.seq == open.entry()) e.seq = 0;
        }).ends_with("is open in memory only"));
  CHECK(changed([](Entry& e) {
          if (e.kind == EntryKind::settle_exact) e.seq = 0;
        }) == "1 attempts are open in memory, 2 in the store");
}

TEST_CASE("B19 with intent disk no dispatched attempt is missing after a power failure",
          "[account][durability]") {
  const std::uint64_t seed = std::random_device{}();
  WARN("seed " << seed);
  std::mt19937_64 random{seed};
  DiskFixture f{Intent::disk};
  f.ledger.reset();
  f.options.checkpoint_entries = 300;
  f.options.front_segment_bytes = 8192;
  f.open();
  f.set_limit("org:acme", "100000.00");
  std::mutex mutex;
  std::vector<std::int64_t> dispatched;
  std::atomic<bool> stop{false};
  std::atomic<int> allowed{0};  // attempts until the next power failure
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      for (std::int64_t n = 0; !stop; ++n) {
        while (allowed.fetch_sub(1) <= 0 && !stop) ::usleep(1000);
        auto request = f.request(100, 100);
        request.may_wait = n % 2 == 0;  // as the gateway does, which must not block its loop
        auto reservation = f.ledger->reserve(request);
        if (!reservation) continue;
        while (!reservation->ready() && f.ledger->writable()) ::usleep(200);
        (void)reservation->dispatch();
        {
          const std::lock_guard lock{mutex};
          dispatched.push_back(reservation->entry());
        }
        if (n % 3 != 0) reservation->settle_exact(used(n % 90, n % 100));
      }
    });
  }
  std::size_t judged = 0;
  for (int cut = 0; cut < 60; ++cut) {
    allowed = 300;
    ::usleep(static_cast<useconds_t>(random() % 5000));
    std::vector<std::int64_t> acknowledged;
    std::int64_t durable = 0;
    {
      const std::lock_guard lock{mutex};
      acknowledged = dispatched;
      durable = f.ledger->figures().entries_durable;
    }
    Fixture dead;
    dead.ledger.reset();
    disk::lose_power(dead.options.directory, random);
    const auto before = verify(dead.options.directory);
    INFO((before ? "" : before.error().message));
    REQUIRE(before);
    REQUIRE(before->ok());
    REQUIRE(before->entries >= durable);
    dead.open();
    REQUIRE(dead.ledger->figures().attempts_open == 0);
    dead.verify_closed();
    const auto ended = ended_attempts(dead.options.directory);
    REQUIRE(std::all_of(acknowledged.begin(), acknowledged.end(),
                        [&](std::int64_t attempt) { return ended.contains(attempt); }));
    judged += acknowledged.size();
  }
  stop = true;
  for (auto& worker : workers) worker.join();
  CHECK(judged > 1000);
  WARN("60 power failures, " << dispatched.size() << " attempts dispatched");
  f.verify_closed();
}

TEST_CASE("B19 with intent process a power failure takes at most the entries that were not fsynced",
          "[account][durability]") {
  DiskFixture f;
  f.ledger.reset();
  f.options.commit_interval = LedgerOptions{}.commit_interval;
  f.open();
  f.set_limit("org:acme", "100.00");
  std::mt19937_64 random{3};
  std::int64_t lost = 0;
  for (int round = 0; round < 40; ++round) {
    Fixture dead;
    dead.ledger.reset();
    for (std::uint64_t i = 0; i < random() % 200; ++i) f.reserve().settle_exact(used(1, 1));
    const auto durable = f.ledger->figures().entries_durable;
    const auto written = f.ledger->figures().entries;
    disk::lose_power(dead.options.directory, random);
    const auto report = verify(dead.options.directory);
    REQUIRE(report);
    REQUIRE(report->ok());
    REQUIRE(report->entries >= durable);
    lost = std::max(lost, written - report->entries);
    dead.open();
    dead.verify_closed();
  }
  CHECK(lost > 0);
  WARN("at most " << lost << " entries lost, all younger than the last fsync");
}

TEST_CASE("B19 a key made by a ledger that never ran before survives a power failure",
          "[account][durability]") {
  std::mt19937_64 random{11};
  for (int round = 0; round < 20; ++round) {
    Fixture f;
    f.ledger.reset();
    std::filesystem::remove_all(f.options.directory);
    std::filesystem::create_directories(f.options.directory);
    disk::watch(f.options.directory);
    f.open();
    NewKey wanted;
    wanted.org = "acme";
    const auto key = f.ledger->create_key(wanted).value();
    REQUIRE(f.ledger->flush());
    Fixture dead;
    dead.ledger.reset();
    disk::lose_power(dead.options.directory, random);
    f.ledger.reset();
    disk::unwatch();
    dead.open();
    const HeaderList headers{{"authorization", "Bearer " + std::string{key.key.reveal()}}};
    REQUIRE(dead.ledger->authenticate(headers));
    dead.verify_closed();
  }
}

TEST_CASE("B22 a flipped bit is refused at the start, or changes no balance and verify finds it",
          "[account][durability]") {
  Fixture f;
  f.set_limit("org:acme", "100.00");
  f.set_limit("key:k1", "50.00", WindowKind::day);
  for (int i = 0; i < 300; ++i) f.reserve().settle_exact(used(i, i));
  const auto org = f.window("org:acme").settled;
  f.ledger.reset();
  const auto file = f.options.directory / "ledger.sqlite";
  std::ifstream stream{file, std::ios::binary};
  const std::string good{std::istreambuf_iterator<char>{stream}, {}};
  std::mt19937_64 random{22};
  int refused = 0;
  int found = 0;
  for (int i = 0; i < 200; ++i) {
    Fixture hurt;
    hurt.ledger.reset();
    std::filesystem::remove_all(hurt.options.directory);
    std::filesystem::copy(f.options.directory, hurt.options.directory);
    auto bytes = good;
    const auto bit = random() % (bytes.size() * 8);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    std::ofstream{hurt.options.directory / "ledger.sqlite", std::ios::binary}.write(
        bytes.data(), static_cast<std::streamsize>(bytes.size()));
    INFO("bit " << bit);
    auto opened = Ledger::open(hurt.options, hurt.clock, hurt.randomness);
    if (!opened) {
      ++refused;
      REQUIRE(opened.error().message.find(hurt.options.directory.string()) != std::string::npos);
      const auto& code = opened.error().code;
      REQUIRE((code == "store_corrupt" || code == "store_schema" || code == "store_read_only" ||
               code == "store_unavailable"));
      continue;
    }
    hurt.ledger = std::move(*opened);
    REQUIRE(hurt.window("org:acme").settled == org);
    REQUIRE(hurt.window("org:acme").reserved == Credits{});
    const auto report = hurt.ledger->verify();
    if (report && !report->ok()) ++found;
  }
  CHECK(refused > 0);
  CHECK(found > 0);
  WARN("200 bits: " << refused << " refused at the start, " << found << " found by verify");
}

TEST_CASE("a truncated write-ahead log gives what is committed, and says what was dropped",
          "[account][durability]") {
  Fixture f;
  f.ledger.reset();
  f.options.front_segment_bytes = 1;                     // segments turn at every commit
  f.options.commit_interval = std::chrono::seconds{60};  // what is not flushed stays in the front
  f.open();
  f.set_limit("org:acme", "100.00");
  for (int i = 0; i < 40; ++i) {
    f.reserve().settle_exact(used(1, 1));
    REQUIRE(f.ledger->flush());
  }
  auto open = f.reserve();
  Fixture dead;
  dead.ledger.reset();
  const auto wal = dead.options.directory / "ledger.sqlite-wal";
  const auto copy = [&] {
    std::filesystem::remove_all(dead.options.directory);
    std::filesystem::copy(f.options.directory, dead.options.directory);
  };
  copy();
  const auto bytes = static_cast<std::int64_t>(std::filesystem::file_size(wal));
  CHECK(wal_bytes_in_use(dead.options.directory / "ledger.sqlite") == bytes);
  int gaps = 0;
  for (std::int64_t kept = 0; kept < bytes; kept += bytes / 37 + 1) {
    copy();
    std::filesystem::resize_file(wal, static_cast<std::uintmax_t>(kept));
    dead.open();
    const auto& recovery = dead.ledger->recovery();
    if (recovery.entries_dropped_first > 0) ++gaps;
    REQUIRE(recovery.wal_bytes_dropped < 2 * (16384 + 24) * 8);
    dead.verify_closed();
  }
  CHECK(gaps > 10);
  copy();
  overwrite(wal, bytes / 2, std::string(64, '\x5a'));
  dead.open();
  CHECK(dead.ledger->recovery().wal_bytes_dropped >= bytes / 2 - 16384 - 24);
  CHECK(dead.ledger->recovery().entries_dropped_first > 0);
  dead.verify_closed();
  copy();
  overwrite(wal, 0, "xxxx");  // without its header nothing of the log can be told
  dead.open();
  CHECK(dead.ledger->recovery().wal_bytes_dropped == bytes);
  dead.verify_closed();
}
