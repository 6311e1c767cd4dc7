#include "app/provider_keys.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

using turnpike::app::provider_key;

namespace {

/// A folder with a file of each kind, and variables that are gone afterwards.
struct World {
  World() {
    std::filesystem::create_directories(folder);
    ::setenv("CREDENTIALS_DIRECTORY", folder.c_str(), 1);
  }
  ~World() {
    for (const auto* name : {"TURNPIKE_TEST_KEY", "TURNPIKE_TEST_KEY_FILE", "CREDENTIALS_DIRECTORY"}) ::unsetenv(name);
    std::filesystem::remove_all(folder);
  }
  void file(const std::string& name, const std::string& text) const { std::ofstream{folder / name, std::ios::binary} << text; }
  std::filesystem::path folder = std::filesystem::temp_directory_path() / ("turnpike-keys-" + std::to_string(::getpid()));
};

}  // namespace

TEST_CASE("A provider's key comes from its variable, else from a file, else from systemd's credentials") {
  const World world;
  CHECK_FALSE(provider_key("TURNPIKE_TEST_KEY"));
  world.file("TURNPIKE_TEST_KEY", "sk-credential\n");
  CHECK(provider_key("TURNPIKE_TEST_KEY") == "sk-credential");
  world.file("elsewhere", "sk-file\r\n\n");
  ::setenv("TURNPIKE_TEST_KEY_FILE", (world.folder / "elsewhere").c_str(), 1);
  CHECK(provider_key("TURNPIKE_TEST_KEY") == "sk-file");
  ::setenv("TURNPIKE_TEST_KEY", "sk-variable", 1);
  CHECK(provider_key("TURNPIKE_TEST_KEY") == "sk-variable");
  ::setenv("TURNPIKE_TEST_KEY", "", 1);
  CHECK(provider_key("TURNPIKE_TEST_KEY") == "sk-file");
}

TEST_CASE("A key file is read anew each time; what is none gives no key") {
  const World world;
  world.file("TURNPIKE_TEST_KEY", "one");
  CHECK(provider_key("TURNPIKE_TEST_KEY") == "one");
  world.file("TURNPIKE_TEST_KEY", "two");
  CHECK(provider_key("TURNPIKE_TEST_KEY") == "two");
  world.file("TURNPIKE_TEST_KEY", "\n");
  CHECK_FALSE(provider_key("TURNPIKE_TEST_KEY"));
  world.file("TURNPIKE_TEST_KEY", std::string(20'000, 'k'));
  CHECK_FALSE(provider_key("TURNPIKE_TEST_KEY"));
  world.file("outside", "secret");
  CHECK_FALSE(provider_key("../" + world.folder.filename().string() + "/outside"));
  ::setenv("TURNPIKE_TEST_KEY_FILE", world.folder.c_str(), 1);
  CHECK_FALSE(provider_key("TURNPIKE_TEST_KEY"));
}
