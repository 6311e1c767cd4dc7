#include "app/config_files.hpp"

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <fstream>

#include "app/dated_world.hpp"

using namespace turnpike;
using namespace turnpike::app;

namespace {

constexpr auto policy_text = R"([policy]
name = "kept"
[[tier]]
name = "bulk"
targets = ["acme/flash"]
)";

ConfigFiles example() {
  ConfigFiles files;
  files.policy = policy_text;
  files.providers = {{"acme.toml", std::string{test::dated_provider} + "key_env = \"ACME_KEY\"\n" +
                                       test::dated_model("flash", "", test::dated_price("2026-01-01", 1))}};
  return files;
}

std::size_t count_of(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator{folder}, {}));
}

const Instant then = *parse_instant("2026-11-23");

}  // namespace

TEST_CASE("a version is a hash of everything a configuration is made of") {
  const auto files = example();
  CHECK(files.version() == "f181bcba5842f4a0");  // of this text, in every build
  const auto changed = [&](auto change) {
    auto other = files;
    change(other);
    return other.version() != files.version();
  };
  CHECK(changed([](ConfigFiles& f) { f.policy += " "; }));
  CHECK(changed([](ConfigFiles& f) { f.providers.front().second += " "; }));
  CHECK(changed([](ConfigFiles& f) { f.providers.front().first = "b.toml"; }));
  CHECK(changed([](ConfigFiles& f) { f.providers.emplace_back("z.toml", ""); }));
  CHECK(changed([](ConfigFiles& f) { f.credits_per_usd = "2"; }));
  CHECK(changed([](ConfigFiles& f) { f.keys_missing = {"ACME_KEY"}; }));
}

TEST_CASE("a kept configuration loads as it was loaded then") {
  const test::Folder data;
  const ConfigArchive archive{data.path()};
  auto files = example();
  REQUIRE(archive.keep(files));
  files.keys_missing = {"ACME_KEY"};
  REQUIRE(archive.keep(files));
  REQUIRE(archive.keep(files));
  CHECK(count_of(data.path() / "configs") == 2);  // the same twice is there once, and no draft is left

  const auto rules = archive.rules(example().version(), then);
  REQUIRE(rules);
  CHECK((*rules)->version == example().version());
  CHECK((*rules)->policy.name == "kept");
  CHECK_FALSE((*rules)->catalog.provider("acme")->key_missing);
  const auto keyless = archive.rules(files.version(), then);
  REQUIRE(keyless);
  CHECK((*keyless)->catalog.provider("acme")->key_missing);

  CHECK(archive.rules("0123456789abcdef", then).error().code == "config_not_kept");
  CHECK(archive.rules("../../etc", then).error().code == "config_not_kept");
  std::ofstream{data.path() / "configs" / files.version() / "policy.toml", std::ios::app} << "\n";
  CHECK(archive.rules(files.version(), then).error().code == "config_damaged");
}

TEST_CASE("the archive is bounded, and what was used last stays") {
  const test::Folder data;
  const ConfigArchive archive{data.path()};
  auto files = example();
  const auto text = files.policy;
  REQUIRE(archive.keep(files));
  const auto first = files.version();
  for (std::size_t i = 0; i < ConfigArchive::versions_max + 20; ++i) {
    files.policy = fmt::format("{}# {}\n", text, i);
    REQUIRE(archive.keep(files));
    if (i == 100) REQUIRE(archive.keep(example()));  // the first is in force again
  }
  const auto versions = archive.versions();
  CHECK(versions.size() == ConfigArchive::versions_max);
  CHECK(versions.front() == files.version());
  CHECK(std::ranges::find(versions, first) != versions.end());
  CHECK(count_of(data.path() / "configs") == ConfigArchive::versions_max);

  files.policy = text + std::string(ConfigArchive::bytes_max / 2, '#');
  REQUIRE(archive.keep(files));
  files.policy += "#";
  REQUIRE(archive.keep(files));
  CHECK(archive.versions().size() == 1);
}
