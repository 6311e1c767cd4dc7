// A data directory that keeps the shipped configuration, and decisions made under it as the gateway makes them.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "app/config_files.hpp"
#include "app/replay.hpp"
#include "catalog/folder.hpp"
#include "record/record.hpp"

namespace turnpike::app::test {

inline Config shipped_config(const std::filesystem::path& data = "data") {
  Config config;
  config.data = data;
  config.providers = std::filesystem::path{TURNPIKE_SOURCE_DIR} / "providers";
  config.policies = std::filesystem::path{TURNPIKE_SOURCE_DIR} / "policies";
  return config;
}

struct ReplayBench {
  turnpike::test::Folder folder;
  ConfigArchive archive{folder.path()};
  std::shared_ptr<const gateway::Snapshot> rules;
  Instant now = *parse_instant("2026-11-23T09:00:00.000001Z");
  int made = 0;

  ReplayBench() {
    auto files = read_config_files(shipped_config());
    REQUIRE(files);
    REQUIRE(archive.keep(*files));
    auto loaded = archive.rules(files->version(), now);
    REQUIRE(loaded);
    rules = *loaded;
  }

  /// A human turn of its own conversation that the classifier found this hard; decided.
  Exchange exchange(float score) {
    Exchange exchange;
    ++made;
    exchange.decision_id = "decision-" + std::to_string(made);
    exchange.at = now + std::chrono::seconds{made};
    exchange.account = std::make_shared<Account>(Account{.key_id = "k1", .key_name = "laptop", .org = "acme"});
    exchange.config_version = rules->version;
    exchange.facts.model = "auto";
    exchange.facts.conversation = "c" + std::to_string(made);
    exchange.facts.text_bytes = 40'000;
    exchange.facts.messages = 1;
    exchange.difficulty = {.score = score, .confidence = 0.9F};
    exchange.inputs.threshold = 0.5F;
    decide(exchange);
    return exchange;
  }
  void decide(Exchange& exchange) const {
    auto decision = decide_again(*rules, exchange, exchange.inputs);
    REQUIRE(decision);
    exchange.decision = *std::move(decision);
  }
};

}  // namespace turnpike::app::test
