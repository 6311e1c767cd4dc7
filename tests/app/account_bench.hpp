// Admin pages on a real ledger in a directory of its own, with the shipped catalog and policy.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "account/ledger.hpp"
#include "app/budget_pages.hpp"
#include "app/key_pages.hpp"
#include "app/snapshots.hpp"
#include "support/fake_clock.hpp"

namespace turnpike::app::testing {

using nlohmann::ordered_json;

class AccountBench {
 public:
  AccountBench() {
    std::string name = (std::filesystem::temp_directory_path() / "turnpike-pages-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    account::LedgerOptions options;
    options.directory = folder_ / "data";
    auto opened = account::Ledger::open(std::move(options), clock, randomness_);
    REQUIRE(opened);
    ledger = *std::move(opened);
  }
  ~AccountBench() {
    ledger.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  AccountBench(const AccountBench&) = delete;
  AccountBench& operator=(const AccountBench&) = delete;

  [[nodiscard]] PageSources sources() {
    return {*ledger, clock, [this] {
              Config config;
              config.providers = std::filesystem::path{TURNPIKE_SOURCE_DIR} / "providers";
              config.policies = std::filesystem::path{TURNPIKE_SOURCE_DIR} / "policies";
              return planning_snapshot(config, clock.now());
            }};
  }
  /// A key's id.
  std::string make_key(const std::string& name, const ordered_json& more = ordered_json::object()) {
    ordered_json body{{"name", name}, {"org", "acme"}, {"by", "alice"}};
    body.update(more);
    const auto reply = create_key_page(sources(), body.dump());
    INFO(reply.body);
    REQUIRE(reply.head.status == 201);
    return ordered_json::parse(reply.body)["id"].get<std::string>();
  }
  /// Charges the key with so many nano-credits.
  void spend(const std::string& key_id, std::int64_t nano) {
    PriceQuote quote;
    quote.price_id = "acme/plain@2026-01-01";
    quote.tiers[0].rates.input = 1000;
    quote.ceiling.input = 1000;
    const auto keys = ledger->keys();
    const auto key = std::find_if(keys.begin(), keys.end(),
                                  [&](const auto& info) { return info.account.key_id == key_id; });
    REQUIRE(key != keys.end());
    account::ReserveRequest request;
    request.account = &key->account;
    request.decision_id = "01JDAAAAAAAAAAAAAAAAAAAAAA";
    request.provider = "acme";
    request.model = "plain";
    request.quote = &quote;
    request.prompt_tokens_bound = nano;
    request.client_gave_max = true;
    auto reservation = ledger->reserve(request);
    INFO((reservation ? std::string{} : reservation.error().message));
    REQUIRE(reservation);
    const auto permit = reservation->dispatch();
    Usage usage;
    usage.input_fresh = nano;
    reservation->settle_exact(usage);
  }

  test::FakeClock clock;
  std::unique_ptr<account::Ledger> ledger;

 private:
  test::SeededRandomness randomness_{1};
  std::filesystem::path folder_;
};

/// The page's JSON; fails if its status is another.
inline ordered_json json_of(const WholeReply& reply, int status = 200) {
  INFO(reply.body);
  REQUIRE(reply.head.status == status);
  return ordered_json::parse(reply.body);
}

/// "code: param" of an error page.
inline std::string error_of(const WholeReply& reply, int status) {
  const auto error = json_of(reply, status)["error"];
  return error["code"].get<std::string>() + ": " + error.value("param", "");
}

inline std::vector<std::string> lines_of(const ordered_json& list) {
  return list.get<std::vector<std::string>>();
}

}  // namespace turnpike::app::testing
