// Client keys: who is let in, and that everybody else hears the same.
#include "account_fixture.hpp"

#include <fstream>
#include <iterator>
#include <set>
#include <thread>

using namespace turnpike;
using namespace turnpike::account;
using namespace turnpike::account::testing;

namespace {

NewKey new_key() {
  NewKey key;
  key.name = "ci";
  key.org = "acme";
  key.team = "search";
  key.models_allowed = {"deepseek/*", "odd%name\nwith=signs"};
  key.may_override_route = true;
  key.request_cost_max = parse_credits("0.5").value();
  key.concurrency_max = 4;
  key.requests_per_minute = 60;
  key.tokens_per_minute = 200'000;
  key.priority = Priority::batch;
  key.weight = 3;
  key.by = "admin";
  return key;
}

Result<std::shared_ptr<const Account>> with(Ledger& ledger, std::string name,
                                            std::string value) {
  return ledger.authenticate({{std::move(name), std::move(value)}});
}

void check_same_401(const Result<std::shared_ptr<const Account>>& result) {
  REQUIRE_FALSE(result);
  const auto& error = result.error();
  const auto expected = invalid_api_key();
  CHECK(error.http_status == 401);
  CHECK(error.code == "invalid_api_key");
  CHECK(error.message == expected.message);
  CHECK(error.should_retry == false);
}

}  // namespace

TEST_CASE("a key works in each of its headers and carries its account", "[account][keys]") {
  Fixture f;
  const auto made = f.ledger->create_key(new_key());
  REQUIRE(made);
  const auto& key = made->key.reveal();
  CHECK(key.size() == 3 + 12 + 1 + 39);
  CHECK(key.starts_with("tp_" + made->id + "_"));
  for (const auto& [name, value] : HeaderList{{"authorization", "Bearer " + key},
                                              {"authorization", "bearer  " + key},
                                              {"x-api-key", key},
                                              {"x-goog-api-key", key},
                                              {"api-key", key}}) {
    const auto account = with(*f.ledger, name, value);
    REQUIRE(account);
    CHECK((*account)->key_id == made->id);
    CHECK((*account)->org == "acme");
    CHECK((*account)->models_allowed == new_key().models_allowed);
    CHECK((*account)->request_cost_max == parse_credits("0.5").value());
  }
  CHECK(f.ledger->authenticate({{"x-api-key", key}, {"authorization", "Bearer " + key}}));
}

TEST_CASE("none, malformed, unknown, wrong, expired and revoked keys get the identical 401",
          "[account][keys][A1][A3]") {
  Fixture f;
  auto wanted = new_key();
  const auto good = f.ledger->create_key(wanted).value();
  wanted.expires = f.clock.now() + std::chrono::hours{1};
  const auto expiring = f.ledger->create_key(wanted).value();
  CHECK(with(*f.ledger, "x-api-key", expiring.key.reveal()));
  f.clock.advance(std::chrono::hours{1});
  check_same_401(with(*f.ledger, "x-api-key", expiring.key.reveal()));
  REQUIRE(f.ledger->revoke_key(good.id, "admin"));
  check_same_401(with(*f.ledger, "x-api-key", good.key.reveal()));
  CHECK(f.ledger->revoke_key("nobody", "admin").error().http_status == 404);

  const auto live = f.ledger->create_key(new_key()).value();
  check_same_401(f.ledger->authenticate({}));
  const auto wrong = live.key.reveal().substr(0, live.key.reveal().size() - 1) + "!";
  for (const auto& value :
       {std::string{"x"}, std::string{"tp_"}, std::string{"tp__"}, wrong, "tp_" + live.id,
        "tp_" + live.id + "_", std::string{"sk-ant-123"}, std::string{"'; DROP TABLE journal; --"},
        std::string(65536, 'k'), "tp_" + std::string(65536, 'k') + "_x"}) {
    check_same_401(with(*f.ledger, "x-api-key", value));
    check_same_401(with(*f.ledger, "authorization", "Bearer " + value));
  }
  check_same_401(with(*f.ledger, "authorization", "Basic dXNlcjpwYXNz"));
}

TEST_CASE("keys that differ between headers are a 400", "[account][keys][A2]") {
  Fixture f;
  const auto one = f.ledger->create_key(new_key()).value();
  const auto result = f.ledger->authenticate(
      {{"authorization", "Bearer " + one.key.reveal()}, {"x-api-key", "other"}});
  REQUIRE_FALSE(result);
  CHECK(result.error().http_status == 400);
  CHECK(result.error().code == "conflicting_credentials");
  CHECK(result.error().message.find(one.key.reveal()) == std::string::npos);
}

TEST_CASE("where strangers are welcome any foreign key is anonymous, a key of ours still counts",
          "[account][keys]") {
  Fixture f;
  f.ledger.reset();
  f.options.allow_anonymous = true;
  f.open();
  CHECK(f.ledger->authenticate({}).value()->key_id == "anonymous");
  CHECK(with(*f.ledger, "x-api-key", "dummy").value()->key_id == "anonymous");
  const auto made = f.ledger->create_key(new_key()).value();
  CHECK(with(*f.ledger, "x-api-key", made.key.reveal()).value()->key_id == made.id);
  check_same_401(with(*f.ledger, "x-api-key", made.key.reveal() + "x"));
}

TEST_CASE("keys and their revocation survive a restart; the secret is nowhere on disk",
          "[account][keys]") {
  Fixture f;
  const auto kept = f.ledger->create_key(new_key()).value();
  const auto gone = f.ledger->create_key(new_key()).value();
  REQUIRE(f.ledger->revoke_key(gone.id, "admin"));
  f.reopen();
  CHECK(with(*f.ledger, "x-api-key", kept.key.reveal()));
  check_same_401(with(*f.ledger, "x-api-key", gone.key.reveal()));
  const auto keys = f.ledger->keys();
  REQUIRE(keys.size() == 2);
  CHECK(keys[0].account.models_allowed == new_key().models_allowed);
  CHECK(keys[0].account.concurrency_max == 4);
  CHECK(keys[0].account.requests_per_minute == 60);
  CHECK(keys[0].account.tokens_per_minute == 200'000);
  CHECK(keys[0].account.priority == Priority::batch);
  CHECK(keys[0].account.weight == 3);
  CHECK(keys[0].created_by == "admin");
  CHECK(keys[1].revoked_by == "admin");
  f.ledger.reset();
  const auto secret = kept.key.reveal().substr(16);
  for (const auto& file : std::filesystem::directory_iterator{f.options.directory}) {
    std::ifstream stream{file.path(), std::ios::binary};
    const std::string bytes{std::istreambuf_iterator<char>{stream}, {}};
    CHECK(bytes.find(secret) == std::string::npos);
  }
}

TEST_CASE("a key needs an org and plain names", "[account][keys]") {
  Fixture f;
  auto key = new_key();
  key.org.clear();
  CHECK(f.ledger->create_key(key).error().param == "org");
  key.org = "acme";
  key.team = "a/b";
  CHECK(f.ledger->create_key(key).error().param == "team");
}

TEST_CASE("keys may be made and revoked while others authenticate", "[account][keys]") {
  Fixture f;
  const auto live = f.ledger->create_key(new_key()).value();
  std::atomic<bool> stop{false};
  std::atomic<int> refused{0};
  const auto ask = [&] {
    while (!stop) {
      if (!with(*f.ledger, "x-api-key", live.key.reveal())) ++refused;
    }
  };
  std::thread one{ask};
  std::thread two{ask};
  std::set<std::string> ids;
  for (int i = 0; i < 50; ++i) {
    const auto made = f.ledger->create_key(new_key()).value();
    ids.insert(made.id);
    CHECK(f.ledger->revoke_key(made.id, "admin"));
  }
  stop = true;
  one.join();
  two.join();
  CHECK(refused == 0);
  CHECK(ids.size() == 50);
}

TEST_CASE("a key can be moved, bounded, disabled and enabled again", "[account][keys]") {
  Fixture f;
  NewKey wanted;
  wanted.name = "ci";
  wanted.org = "acme";
  wanted.by = "ann";
  const auto made = f.ledger->create_key(wanted).value();
  KeyChange change;
  change.team = "search";
  change.models_allowed = {{"bulk"}};
  change.concurrency_max = std::optional<std::int32_t>{3};
  change.expires = std::optional<Instant>{};
  REQUIRE(f.ledger->change_key(made.id, change, "bob"));
  const HeaderList headers{{"x-api-key", made.key.reveal()}};
  const auto account = f.ledger->authenticate(headers).value();
  CHECK(account->team == "search");
  CHECK(account->org == "acme");
  CHECK(account->models_allowed == std::vector<std::string>{"bulk"});
  CHECK(account->concurrency_max == 3);

  KeyChange off;
  off.disabled = true;
  REQUIRE(f.ledger->change_key(made.id, off, "bob"));
  CHECK(f.ledger->authenticate(headers).error().code == "invalid_api_key");
  off.disabled = false;
  REQUIRE(f.ledger->change_key(made.id, off, "bob"));
  CHECK(f.ledger->authenticate(headers));

  KeyChange nowhere;
  nowhere.org = "";
  CHECK(f.ledger->change_key(made.id, nowhere, "bob").error().code == "bad_key");
  CHECK(f.ledger->change_key("nobody", change, "bob").error().code == "unknown_key");
  f.reopen();
  const auto key = f.ledger->keys().front();
  CHECK(key.account.team == "search");
  CHECK(key.created_by == "ann");
  CHECK(key.changed_by == "bob");
  REQUIRE(f.ledger->revoke_key(made.id, "ann"));
  CHECK(f.ledger->change_key(made.id, change, "bob").error().code == "key_revoked");
  f.verify_closed();
}

TEST_CASE("a rotated key keeps its id; the secret before it is good for the time of grace",
          "[account][keys]") {
  Fixture f;
  NewKey wanted;
  wanted.name = "ci";
  wanted.org = "acme";
  const auto first = f.ledger->create_key(wanted).value();
  const auto second = f.ledger->rotate_key(first.id, std::chrono::hours{1}, "ann").value();
  CHECK(second.id == first.id);
  CHECK(second.key.reveal() != first.key.reveal());
  const auto works = [&](const CreatedKey& key) {
    return f.ledger->authenticate({{"x-api-key", key.key.reveal()}}).has_value();
  };
  CHECK(works(first));
  CHECK(works(second));
  f.reopen();
  CHECK(works(first));
  f.clock.advance(std::chrono::hours{1});
  CHECK_FALSE(works(first));
  CHECK(works(second));
  const auto third = f.ledger->rotate_key(first.id, std::chrono::seconds{0}, "ann").value();
  CHECK_FALSE(works(second));
  CHECK(works(third));
  f.verify_closed();
}
