// verify() finds what is wrong: journals with one error each, made by hand.
#include "account_fixture.hpp"

#include <functional>

#include "account/definitions.hpp"
#include "account/fields.hpp"
#include "account/store.hpp"

using namespace turnpike;
using namespace turnpike::account;
using namespace turnpike::account::testing;

namespace {

using Journal = std::vector<Entry>;

/// A clean journal with every kind of entry: 2 epochs, 3 budgets, exact, estimated, void, overrun,
/// correction.
Journal make_journal() {
  Fixture f;
  NewKey key;
  key.org = "acme";
  key.by = "admin";
  const auto made = f.ledger->create_key(key).value();
  f.set_limit("org:acme", "0.050");
  f.set_limit("key:k1", "0.030", WindowKind::day);
  f.reserve().settle_exact(used(1000, 10));
  f.reserve().settle_void("not_connected");
  auto streamed = f.reserve();
  (void)streamed.dispatch();
  streamed.observe(256, Monotonic{});
  streamed.observe(600, Monotonic{});
  streamed.settle_estimated(used(500, 600), "stream_truncated");
  f.reserve().settle_exact(used(3000, 0));
  f.reserve().settle_exact(used(3000, 500));  // overrun
  const auto overrun = f.ledger->figures().entries;
  REQUIRE(f.ledger->correct(overrun - 1, nano(-1000), "lead", "refund"));
  REQUIRE(f.ledger->revoke_key(made.id, "admin"));
  f.clock.advance(std::chrono::hours{24});
  f.reserve().settle_exact(used(10, 10));
  f.reopen();
  f.reserve().settle_at_reservation("timed_out");
  f.ledger.reset();
  auto store = Store::open(f.options.directory, Store::Access::read);
  REQUIRE(store);
  return store->read(1, 1'000'000).value();
}

/// Writes the entries as a ledger whose chain is right, so that only what they say can be wrong.
VerifyReport judge(Journal journal, bool rechain = true) {
  TempDirectory directory;
  {
    auto store = Store::open(directory.path(), Store::Access::write);
    REQUIRE(store);
    std::uint32_t chain = 0;
    for (auto& entry : journal) {
      if (rechain) entry.chain = chain_of(entry, chain);
      chain = entry.chain;
    }
    REQUIRE(store->commit(journal, {}));
  }
  return verify(directory.path()).value();
}

Entry& nth(Journal& journal, EntryKind kind, std::size_t n = 0) {
  for (auto& entry : journal) {
    if (entry.kind == kind && n-- == 0) return entry;
  }
  throw std::out_of_range{"no such entry"};
}

void replace_field(Entry& entry, const std::string& from, const std::string& to) {
  const auto at = entry.detail.find(from);
  REQUIRE(at != std::string::npos);
  entry.detail.replace(at, from.size(), to);
}

/// Puts a copy of an entry somewhere and numbers everything behind it anew (references to later
/// entries are not used).
void insert_after(Journal& journal, std::size_t index, Entry entry) {
  journal.insert(journal.begin() + static_cast<std::ptrdiff_t>(index) + 1, std::move(entry));
  journal.resize(index + 2);
  journal.back().seq = journal[index].seq + 1;
  journal.back().at = journal[index].at;
  journal.back().epoch = journal[index].epoch;
}

std::size_t index_of(Journal& journal, EntryKind kind, std::size_t n = 0) {
  return static_cast<std::size_t>(&nth(journal, kind, n) - journal.data());
}

struct Case {
  std::string name;
  std::string invariant;
  std::function<std::int64_t(Journal&)> spoil;  // gives the seq at which it must be found
};

}  // namespace

TEST_CASE("a clean journal verifies", "[account][verify]") {
  const auto journal = make_journal();
  const auto report = judge(journal, false);
  INFO((report.violation ? report.violation->message : ""));
  CHECK(report.ok());
  CHECK(report.attempts == 7);
  CHECK(report.overruns == 1);
  CHECK(report.attempts_open == 0);
  CHECK(report.entries == static_cast<std::int64_t>(journal.size()));
}

TEST_CASE("B24 verify names the first entry that breaks an invariant", "[account][verify]") {
  const std::vector<Case> cases{
      {"limit exceeded", "I1",
       [](Journal& j) {
         replace_field(nth(j, EntryKind::budget_set), "0.05", "0.002");
         return nth(j, EntryKind::reserve).seq;
       }},
      {"negative reservation", "I1",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::reserve);
         e.amount = -1;
         return e.seq;
       }},
      {"a budget of the path is left out", "I2",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::path_defined);
         auto path = parse_path(e.detail).value();
         path.windows.pop_back();
         e.detail = path_detail(path);
         return nth(j, EntryKind::reserve).seq;
       }},
      {"a path names a window that is not there", "I2",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::path_defined);
         auto path = parse_path(e.detail).value();
         path.windows.push_back(100'000);
         e.detail = path_detail(path);
         return e.seq;
       }},
      {"charged to no path", "I2",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::reserve, 1);
         e.path = 99;
         return e.seq;
       }},
      {"a second end", "I4",
       [](Journal& j) {
         const auto at = index_of(j, EntryKind::settle_exact);
         insert_after(j, at, j[at]);
         return j.back().seq;
       }},
      {"a second end that differs", "I4",
       [](Journal& j) {
         const auto at = index_of(j, EntryKind::void_);
         auto e = j[at];
         e.kind = EntryKind::settle_estimated;
         e.flags = EntryFlag::at_reservation;
         insert_after(j, at, e);
         return j.back().seq;
       }},
      {"an end of nothing", "I4",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::void_);
         e.attempt = 3;
         return e.seq;
       }},
      {"a void end that costs", "I4",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::void_);
         e.amount = 5;
         return e.seq;
       }},
      {"progress after the end", "I4",
       [](Journal& j) {
         const auto at = index_of(j, EntryKind::settle_estimated);
         insert_after(j, at, nth(j, EntryKind::progress, 1));
         return j.back().seq;
       }},
      {"a settlement above its reservation", "I6",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::settle_exact);
         e.amount = 3'000'001;
         return e.seq;
       }},
      {"an overrun left out", "I6",
       [](Journal& j) {
         const auto at = index_of(j, EntryKind::overrun);
         const auto next = j[at + 1];
         j.resize(at);
         insert_after(j, at - 1, next);
         return j.back().seq;
       }},
      {"an overrun of another amount", "I6",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::overrun);
         ++e.amount;
         return e.seq;
       }},
      {"an overrun out of nowhere", "I6",
       [](Journal& j) {
         const auto at = index_of(j, EntryKind::settle_exact);
         auto e = j[at];
         e.kind = EntryKind::overrun;
         insert_after(j, at, e);
         return j.back().seq;
       }},
      {"admitted with a dead process's attempt open", "I7",
       [](Journal& j) {
         const auto reserve = index_of(j, EntryKind::reserve);
         auto opened = j.front();
         opened.epoch = 2;
         const auto again = j[reserve];
         insert_after(j, reserve, opened);
         j.back().epoch = 2;
         insert_after(j, j.size() - 1, again);
         j.back().epoch = 2;
         return j.back().seq;
       }},
      {"an epoch that does not rise", "I7",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::opened, 1);
         e.epoch = 1;
         return e.seq;
       }},
      {"time runs backwards", "I8",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::settle_exact);
         e.at -= 1;
         return e.seq;
       }},
      {"a window is reset", "I8",
       [](Journal& j) {
         const auto at = index_of(j, EntryKind::settle_exact);
         insert_after(j, at, nth(j, EntryKind::window_opened));
         return j.back().seq;
       }},
      {"settled to another window", "I8",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::settle_exact, 3);
         e.path = nth(j, EntryKind::path_defined).seq;
         return e.seq;
       }},
      {"charged to yesterday's window", "I8",
       [](Journal& j) {
         const auto second = nth(j, EntryKind::path_defined, 1).seq;
         for (auto& e : j) {
           if (e.path == second) e.path = nth(j, EntryKind::path_defined).seq;
         }
         return nth(j, EntryKind::reserve, 5).seq;
       }},
      {"another amount than usage times price", "I9",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::settle_exact);
         --e.amount;
         return e.seq;
       }},
      {"usage changed", "I9",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::settle_exact);
         ++e.usage.output_text;
         return e.seq;
       }},
      {"no price", "I9",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::reserve);
         e.price = 1;
         return e.seq;
       }},
      {"a reservation below its bound", "I9",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::reserve);
         --e.amount;
         return e.seq;
       }},
      {"settled at another price", "I9",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::settle_exact);
         e.price = 1;
         return e.seq;
       }},
      {"an entry is missing", "I10",
       [](Journal& j) {
         const auto at = index_of(j, EntryKind::progress);
         j.erase(j.begin() + static_cast<std::ptrdiff_t>(at));
         return j[at].seq;
       }},
      {"a correction without a reason", "I10",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::correction);
         replace_field(e, "why=refund\n", "");
         return e.seq;
       }},
      {"a correction of nothing", "I10",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::correction);
         e.attempt = 2;
         return e.seq;
       }},
      {"a key revoked that never was", "I10",
       [](Journal& j) {
         auto& e = nth(j, EntryKind::key_revoked);
         e.detail = "key=nobody\n";
         return e.seq;
       }},
  };
  const auto clean = make_journal();
  for (const auto& item : cases) {
    auto journal = clean;
    const auto expected = item.spoil(journal);
    const auto report = judge(journal);
    INFO(item.name);
    REQUIRE(report.violation);
    INFO(report.violation->message);
    CHECK(report.violation->invariant == item.invariant);
    CHECK(report.violation->entry == expected);
  }
  CHECK(cases.size() >= 20);
}

TEST_CASE("B24 any change of a stored entry breaks the chain", "[account][verify]") {
  const auto clean = make_journal();
  for (std::size_t i = 0; i < clean.size(); ++i) {
    auto journal = clean;
    auto& entry = journal[i];
    switch (i % 4) {
      case 0:
        ++entry.amount;
        break;
      case 1:
        ++entry.usage.input_fresh;
        break;
      case 2:
        entry.decision += 'x';
        break;
      default:
        ++entry.lease;
        break;
    }
    const auto report = judge(journal, false);
    REQUIRE(report.violation);
    REQUIRE(report.violation->invariant == "I10");
    REQUIRE(report.violation->entry == entry.seq);
  }
}

TEST_CASE("B24 a checkpoint that disagrees with the journal is found", "[account][verify]") {
  Fixture f;
  f.set_limit("org:acme", "1.00");
  f.reserve().settle_exact(used(1, 1));
  f.ledger.reset();
  {
    auto store = Store::open(f.options.directory, Store::Access::write).value();
    auto checkpoint = store.checkpoint().value().value();
    for (auto& entry : checkpoint.state) {
      if (entry.kind == EntryKind::balance) entry.amount -= 1;
    }
    REQUIRE(store.commit({}, {}, checkpoint));
  }
  const auto report = verify(f.options.directory).value();
  REQUIRE(report.violation);
  CHECK(report.violation->invariant == "I5");
}
