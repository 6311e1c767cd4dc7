#include "account/shadow_file.hpp"

#include <sqlite3.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/fake_clock.hpp"

using namespace turnpike;
using namespace turnpike::account;

namespace {

struct Folder {
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("turnpike-shadow-" + std::to_string(::getpid()));
};

std::vector<std::string> decisions_in(const Folder& folder, const ShadowQuery& query = {}) {
  std::vector<std::string> found;
  REQUIRE(read_shadow_rows(folder.path, query, [&](const ShadowRow& row) {
    found.push_back(row.decision);
    return true;
  }));
  return found;
}

}  // namespace

TEST_CASE("pairs are there after a restart, readable beside the writer, by time and by decision", "[shadow]") {
  const Folder folder;
  test::FakeClock clock;
  CHECK(decisions_in(folder).empty());
  {
    ShadowFile file{{.directory = folder.path}, clock};
    for (int i = 0; i < 3; ++i) file.put({clock.now() + std::chrono::seconds{i}, "d" + std::to_string(i), "a/b", R"({"i":1})"});
    file.flush();
    CHECK(file.figures().rows == 3);
    CHECK(decisions_in(folder).size() == 3);
  }
  const ShadowFile again{{.directory = folder.path}, clock};
  CHECK(again.figures().rows == 3);
  CHECK(decisions_in(folder, {.since = clock.now() + std::chrono::seconds{1}}) == std::vector<std::string>{"d1", "d2"});
  CHECK(decisions_in(folder, {.until = clock.now() + std::chrono::seconds{1}}) == std::vector<std::string>{"d0"});
  CHECK(decisions_in(folder, {.decision = "d1"}) == std::vector<std::string>{"d1"});
  const auto mode = std::filesystem::status(folder.path / "shadow.db").permissions();
  CHECK((mode & (std::filesystem::perms::group_all | std::filesystem::perms::others_all)) == std::filesystem::perms::none);
}

TEST_CASE("the file keeps the newest pairs within its bounds of number and age", "[shadow]") {
  const Folder folder;
  test::FakeClock clock;
  ShadowFile file{{.directory = folder.path, .rows_max = 5, .days_max = std::chrono::days{2}}, clock};
  file.put({clock.now() - std::chrono::days{3}, "old", "a/b", "{}"});
  for (int i = 0; i < 8; ++i) file.put({clock.now(), "d" + std::to_string(i), "a/b", "{}"});
  file.flush();
  CHECK(decisions_in(folder) == std::vector<std::string>{"d3", "d4", "d5", "d6", "d7"});
}

TEST_CASE("a full queue drops pairs and counts them", "[shadow]") {
  const Folder folder;
  test::FakeClock clock;
  ShadowFile file{{.directory = folder.path, .queue_rows_max = 0}, clock};
  file.put({clock.now(), "d", "a/b", "{}"});
  file.flush();
  CHECK(file.figures().dropped == 1);
  CHECK(decisions_in(folder).empty());
}

TEST_CASE("a file that is none of these is set aside, and pairs are kept in a new one", "[shadow]") {
  const Folder folder;
  test::FakeClock clock;
  std::ofstream{folder.path / "shadow.db"} << std::string(8192, 'x');
  ShadowFile file{{.directory = folder.path}, clock};
  file.put({clock.now(), "d", "a/b", "{}"});
  file.flush();
  CHECK(file.figures().failed == 0);
  CHECK(decisions_in(folder) == std::vector<std::string>{"d"});
  CHECK(std::filesystem::exists(folder.path / "shadow.db.damaged"));
}

TEST_CASE("a file that is set aside takes its log along and replaces no earlier one", "[shadow]") {
  const Folder folder;
  test::FakeClock clock;
  const auto text_of = [&](const char* name) {
    std::ifstream file{folder.path / name};
    return std::string{std::istreambuf_iterator<char>{file}, {}};
  };
  const std::string first(8192, 'x');
  const std::string second(8192, 'y');
  for (const auto& text : {first, second}) {
    std::filesystem::remove(folder.path / "shadow.db");
    std::ofstream{folder.path / "shadow.db"} << text;
    std::ofstream{folder.path / "shadow.db-wal"} << "log of " << text.front();
    const ShadowFile file{{.directory = folder.path}, clock};
  }
  CHECK(text_of("shadow.db.damaged") == first);
  CHECK(text_of("shadow.db.damaged-wal") == "log of x");
  CHECK(text_of("shadow.db.damaged.2") == second);
  CHECK(text_of("shadow.db.damaged.2-wal") == "log of y");
  CHECK(decisions_in(folder).empty());
}

TEST_CASE("a file that another connection holds is neither set aside nor changed", "[shadow]") {
  const Folder folder;
  test::FakeClock clock;
  {
    ShadowFile file{{.directory = folder.path}, clock};
    file.put({clock.now(), "d", "a/b", "{}"});
  }
  sqlite3* holder = nullptr;
  REQUIRE(sqlite3_open((folder.path / "shadow.db").c_str(), &holder) == SQLITE_OK);
  REQUIRE(sqlite3_exec(holder, "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM pair WHERE seq<0; COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK);
  {
    ShadowFile file{{.directory = folder.path}, clock};
    file.put({clock.now(), "lost", "a/b", "{}"});
    file.flush();
    CHECK(file.figures().failed == 1);
  }
  sqlite3_close(holder);
  CHECK_FALSE(std::filesystem::exists(folder.path / "shadow.db.damaged"));
  CHECK(decisions_in(folder) == std::vector<std::string>{"d"});
}
