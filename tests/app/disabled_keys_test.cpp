// An operator's word about a provider's key outlives the process.
#include "app/disabled_keys.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "support/fake_clock.hpp"

using namespace turnpike;
using namespace turnpike::app;
using gateway::Backends;
using turnpike::test::FakeClock;
using turnpike::test::SeededRandomness;

namespace {

struct World {
  explicit World(const std::string& provider_id = "p") : id{provider_id} {
    std::filesystem::create_directories(folder / "providers");
    std::ofstream{folder / "providers" / "p.toml"} << "[provider]\nid = \"" << id << R"("
dialect = "openai-chat"
base_url = "https://p.example/v1"
keys = [{ id = "a", env = "A" }, { id = "b", env = "B" }]
[[model]]
id = "m"
context_tokens = 1000
output_tokens_max = 100
as_of = 2026-01-01
source = "t"
[[model.price]]
from = 2026-01-01
input_per_mtok = 1
output_per_mtok = 2
)";
    catalog::LoadOptions options;
    options.secret_of = [](std::string_view) { return std::optional<std::string>{"secret"}; };
    auto loaded = catalog::Catalog::load(folder / "providers", options);
    if (!loaded) FAIL(to_string(loaded.error().front()));
    catalog = *std::move(loaded);
  }
  ~World() { std::filesystem::remove_all(folder); }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] const catalog::Provider& provider() const { return *catalog.provider(id); }
  /// Ids of the keys that a process which begins now leaves alone.
  std::string out_after_restart() {
    Backends backends{clock, randomness};
    restore_disabled_keys(file, catalog, backends);
    std::string ids;
    for (const auto& key : backends.keys(catalog)) {
      if (!key.out_of_service) continue;
      CHECK(key.out_of_service->fault == gateway::KeyFault::by_operator);
      ids += key.key;
    }
    return ids;
  }

  std::string id;
  std::filesystem::path folder = std::filesystem::temp_directory_path() / ("turnpike-disabled-" + std::to_string(::getpid()));
  std::filesystem::path file = disabled_keys_file(folder);
  FakeClock clock;
  SeededRandomness randomness{5};
  catalog::Catalog catalog;
};

}  // namespace

TEST_CASE("what an operator disabled is out of service after a restart, what a provider refused is asked again", "[app][upstream]") {
  World world;
  Backends backends{world.clock, world.randomness};
  CHECK(world.out_after_restart().empty());  // no file yet
  backends.disable(world.provider(), 1);
  auto refused = backends.take({.provider = world.provider(), .model = "m"});
  REQUIRE(refused);
  refused->end(gateway::Told::refused);
  REQUIRE(save_disabled_keys(world.file, world.catalog, backends));
  CHECK(world.out_after_restart() == "b");
  backends.disable(world.provider(), 0);
  REQUIRE(save_disabled_keys(world.file, world.catalog, backends));
  CHECK(world.out_after_restart() == "ab");
  backends.enable(world.provider(), 0);
  backends.enable(world.provider(), 1);
  REQUIRE(save_disabled_keys(world.file, world.catalog, backends));
  CHECK(world.out_after_restart().empty());
}

TEST_CASE("lines about keys that there are not take nothing else with them", "[app][upstream]") {
  World world;
  std::ofstream{world.file} << "garbled\nq a\np z\np b\n\n";
  CHECK(world.out_after_restart() == "b");
}

TEST_CASE("the word about a key whose provider is away for a while is kept", "[app][upstream]") {
  World world;
  std::ofstream{world.file} << "gpu box default\np a\n";
  Backends backends{world.clock, world.randomness};
  backends.disable(world.provider(), 1);
  REQUIRE(save_disabled_keys(world.file, world.catalog, backends));
  std::ifstream stream{world.file};
  const std::string text{std::istreambuf_iterator<char>{stream}, {}};
  CHECK(text == "p b\ngpu box default\n");  // "p a" has been enabled
}

TEST_CASE("a provider's id may have blanks", "[app][upstream]") {
  World world{"gpu box"};
  std::ofstream{world.file} << "gpu box a\n";
  CHECK(world.out_after_restart() == "a");
}

TEST_CASE("reading the file again, as a reload does, leaves what is out as it is", "[app][upstream]") {
  World world;
  std::ofstream{world.file} << "p a\n";
  Backends backends{world.clock, world.randomness};
  restore_disabled_keys(world.file, world.catalog, backends);
  const auto first = backends.keys(world.catalog).front().out_of_service->since;
  world.clock.advance(std::chrono::seconds{5});
  restore_disabled_keys(world.file, world.catalog, backends);
  CHECK(backends.keys(world.catalog).front().out_of_service->since == first);
}

TEST_CASE("a word that cannot be kept is told", "[app][upstream]") {
  World world;
  Backends backends{world.clock, world.randomness};
  CHECK_FALSE(save_disabled_keys(world.folder / "nowhere" / "disabled_keys.state", world.catalog, backends));
}
