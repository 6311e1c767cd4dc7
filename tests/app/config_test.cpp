#include "app/config.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace {

using namespace turnpike;

std::expected<app::Config, std::vector<catalog::Fault>> load(const std::string& ledger) {
  const auto file = std::filesystem::temp_directory_path() / ("turnpike-config-" + std::to_string(::getpid()) + ".toml");
  std::ofstream{file} << "[ledger]\n" << ledger;
  auto config = app::load_config(file);
  std::filesystem::remove(file);
  return config;
}

std::string faults_of(const std::string& ledger) {
  const auto config = load(ledger);
  if (config) return {};
  std::string text;
  for (const auto& fault : config.error()) text += to_string(fault) + '\n';
  return text;
}

TEST_CASE("Without a central ledger the gateway is no replica") { CHECK_FALSE(load("intent = \"disk\"\n")->replica); }

TEST_CASE("Hedging is off unless asked for, and a request has three attempts unless told otherwise") {
  const auto plain = load("");
  REQUIRE(plain);
  CHECK_FALSE(plain->hedge);
  CHECK(plain->attempts_max == 3);
  const auto told = load("[upstream]\nhedge = true\nattempts_max = 2\n");
  REQUIRE(told);
  CHECK(told->hedge);
  CHECK(told->attempts_max == 2);
  CHECK_FALSE(faults_of("[upstream]\nattempts_max = 0\n").empty());
  CHECK_FALSE(faults_of("[upstream]\nattempts_max = 11\n").empty());
  CHECK_FALSE(faults_of("[upstream]\nhedges = true\n").empty());
}

TEST_CASE("A replica reads where its central ledger is, who it is and what it may do without it") {
  const auto config = load("central = \"postgresql://u:hunter2@db/x\"\nreplica = \"eu-1\"\nstore_down = \"allow:2.5\"\n"
                           "lease_block_max = \"3\"\nlease_s = 20\n");
  REQUIRE(config);
  REQUIRE(config->replica);
  CHECK(config->replica->central.reveal() == "postgresql://u:hunter2@db/x");
  CHECK(config->replica->name == "eu-1");
  CHECK(config->replica->allow_when_down == Credits::from_nano(2'500'000'000));
  CHECK(config->replica->block_max == Credits::from_nano(3'000'000'000));
  CHECK(config->replica->lease_length == std::chrono::seconds{20});
}

TEST_CASE("The address of the central ledger may come from the environment; a replica is named like its host") {
  ::setenv("TURNPIKE_TEST_CENTRAL", "host=db", 1);
  const auto config = load("central_env = \"TURNPIKE_TEST_CENTRAL\"\n");
  REQUIRE(config);
  CHECK(config->replica->central.reveal() == "host=db");
  CHECK_FALSE(config->replica->name.empty());
  CHECK_FALSE(config->replica->allow_when_down);
  CHECK(faults_of("central_env = \"TURNPIKE_TEST_MISSING\"\n").find("TURNPIKE_TEST_MISSING") != std::string::npos);
}

TEST_CASE("Faults of a replica's settings are told without its address") {
  const std::string central = "central = \"postgresql://u:hunter2@db/x\"\n";
  for (const auto& wrong : {"store_down = \"maybe\"\n", "store_down = \"allow:-1\"\n", "lease_s = 1\n", "lease_block_max = \"0\"\n",
                            "replica = \"\"\n", "central_env = \"HOME\"\n"}) {
    const auto faults = faults_of(central + wrong);
    INFO(wrong);
    CHECK_FALSE(faults.empty());
    CHECK(faults.find("hunter2") == std::string::npos);
  }
}

}  // namespace
