#include "account/opaque_file.hpp"

#include <sys/stat.h>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <map>
#include <thread>

#include "support/fake_clock.hpp"

namespace turnpike::account {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "turnpike-opaque-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] OpaqueFileOptions options() const {
    OpaqueFileOptions options;
    options.directory = path;
    options.batch_interval = std::chrono::milliseconds{5};
    return options;
  }
  [[nodiscard]] fs::path file() const { return path / "opaque.db"; }
  fs::path path;
};

using Held = std::map<std::pair<std::string, std::string>, std::string>;

Held held(OpaqueFile& file) {
  Held found;
  file.load([&found](OpaqueRow row) {
    found[{row.owner, row.key}] = row.state;
    return true;
  });
  return found;
}

TEST_CASE("what was put is there after a restart, with every byte") {
  const Folder folder;
  const test::FakeClock clock;
  const auto tomorrow = clock.now() + std::chrono::hours{24};
  const std::string bytes{"\0\xff state", 8};
  {
    OpaqueFile file{folder.options(), clock};
    file.put({"key-1", "call_1", "first", tomorrow});
    file.put({"key-1", "call_1", bytes, tomorrow});
    file.put({"key-2", "call_1", "other", tomorrow});
    file.put({"key-2", "call_2", "", tomorrow});
    file.put({"key-2", "call_3", "gone", tomorrow});
    file.drop("key-2", "call_3");
    file.drop("key-2", "call_9");
  }
  OpaqueFile file{folder.options(), clock};
  CHECK(held(file) == Held{{{"key-1", "call_1"}, bytes},
                           {{"key-2", "call_1"}, "other"},
                           {{"key-2", "call_2"}, ""}});
  CHECK(file.figures().rows == 3);
  CHECK(file.figures().failed == 0);
  CHECK(file.figures().dropped == 0);
}

TEST_CASE("nobody but the owner may read the file") {
  const Folder folder;
  const test::FakeClock clock;
  const mode_t before = ::umask(0);
  {
    OpaqueFile file{folder.options(), clock};
    file.put({"k", "a", "x", clock.now() + std::chrono::hours{1}});
    file.flush();
    for (const auto& entry : fs::directory_iterator{folder.path}) {
      INFO(entry.path().string());
      CHECK((entry.status().permissions() & fs::perms::mask) ==
            (fs::perms::owner_read | fs::perms::owner_write));
    }
  }
  ::umask(before);
}

TEST_CASE("rows expire by the wall clock, over a restart and under way, and use extends them") {
  const Folder folder;
  test::FakeClock clock;
  const auto start = clock.now();
  {
    OpaqueFile file{folder.options(), clock};
    file.put({"k", "short", "s", start + std::chrono::hours{1}});
    file.put({"k", "long", "l", start + std::chrono::hours{3}});
    file.put({"k", "used", "u", start + std::chrono::hours{1}});
    file.extend("k", "used", start + std::chrono::hours{9});
    file.extend("k", "unknown", start + std::chrono::hours{9});
  }
  clock.advance(std::chrono::hours{2});
  OpaqueFile file{folder.options(), clock};
  CHECK(held(file) == Held{{{"k", "long"}, "l"}, {{"k", "used"}, "u"}});
  CHECK(file.figures().rows == 2);
  clock.advance(std::chrono::hours{2});
  file.put({"k", "new", "n", clock.now() + std::chrono::hours{1}});
  CHECK(held(file) == Held{{{"k", "used"}, "u"}, {{"k", "new"}, "n"}});
  CHECK(file.figures().rows == 2);
}

TEST_CASE("the longest-lived come first and reading stops when told") {
  const Folder folder;
  const test::FakeClock clock;
  OpaqueFile file{folder.options(), clock};
  for (int i = 0; i < 10; ++i)
    file.put({"k", std::to_string(i), "x", clock.now() + std::chrono::hours{1 + (i * 7) % 10}});
  std::vector<Instant> order;
  file.load([&order](const OpaqueRow& row) {
    order.push_back(row.expires);
    return order.size() < 4;
  });
  CHECK(order.size() == 4);
  CHECK(std::is_sorted(order.rbegin(), order.rend()));
  CHECK(order.front() == clock.now() + std::chrono::hours{10});
}

TEST_CASE("the file stays within its bytes, and whoever holds most makes room") {
  const Folder folder;
  const test::FakeClock clock;
  auto options = folder.options();
  options.bytes_max = 200'000;
  const auto later = [&clock](int minutes) { return clock.now() + std::chrono::minutes{minutes}; };
  {
    OpaqueFile file{options, clock};
    for (int i = 0; i < 10; ++i)
      file.put({"modest", std::to_string(i), std::string(1000, 'm'), later(1)});
    for (int i = 0; i < 1000; ++i) {
      file.put({"greedy", std::to_string(i), std::string(1000, 'g'), later(10 + i)});
      if (i % 100 == 0) file.flush();
    }
    file.flush();
    CHECK(file.figures().bytes <= 200'000);
    const auto found = held(file);
    for (int i = 0; i < 10; ++i) CHECK(found.contains({"modest", std::to_string(i)}));
    CHECK(found.contains({"greedy", "999"}));
    CHECK_FALSE(found.contains({"greedy", "0"}));
  }
  options.bytes_max = 50'000;
  OpaqueFile smaller{options, clock};
  CHECK(smaller.figures().bytes <= 50'000);
  CHECK(smaller.figures().rows > 10);
  std::uintmax_t on_disk = 0;
  for (const auto& entry : fs::directory_iterator{folder.path}) on_disk += entry.file_size();
  CHECK(on_disk < 8'000'000);
}

TEST_CASE("a damaged file, a stranger's file and one of another version are set aside") {
  const Folder folder;
  const test::FakeClock clock;
  const auto later = clock.now() + std::chrono::hours{1};
  const auto fill = [&] {
    OpaqueFile file{folder.options(), clock};
    for (int i = 0; i < 300; ++i) file.put({"k", std::to_string(i), std::string(2000, 'x'), later});
  };
  const auto works = [&] {
    OpaqueFile file{folder.options(), clock};
    CHECK(held(file).empty());
    CHECK(fs::exists(folder.path / "opaque.db.damaged"));
    file.put({"k", "a", "x", later});
    CHECK(held(file).size() == 1);
    CHECK(file.figures().failed == 0);
  };
  SECTION("no database at all") {
    std::ofstream{folder.file()} << std::string(100'000, '?');
    works();
  }
  SECTION("damaged pages") {
    fill();
    REQUIRE(fs::file_size(folder.file()) > 200'000);
    std::fstream file{folder.file(), std::ios::in | std::ios::out | std::ios::binary};
    for (const std::streamoff page : {1, 3, 20, 40}) {
      file.seekp(page * 4096);
      file << std::string(4096, '\x5a');
    }
    file.close();
    works();
  }
  SECTION("cut short") {
    fill();
    fs::resize_file(folder.file(), 5000);
    works();
  }
  SECTION("another version") {
    fill();
    std::fstream file{folder.file(), std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(60);  // user_version in the file header, big-endian
    file << std::string("\0\0\0\7", 4);
    file.close();
    works();
  }
}

TEST_CASE("a folder that cannot be written costs nothing but the memory of it") {
  const test::FakeClock clock;
  OpaqueFileOptions options;
  options.directory = "/nonexistent/turnpike";
  OpaqueFile file{options, clock};
  file.put({"k", "a", "x", clock.now() + std::chrono::hours{1}});
  file.flush();
  CHECK(held(file).empty());
  CHECK(file.figures().failed == 1);
}

TEST_CASE("a full queue drops what comes, counts it, and nobody waits") {
  const Folder folder;
  const test::FakeClock clock;
  auto options = folder.options();
  options.queue_bytes_max = 20'000;
  OpaqueFile file{options, clock};
  file.put({"k", "huge", std::string(30'000, 'x'), clock.now() + std::chrono::hours{1}});
  CHECK(file.figures().dropped == 1);
  file.put({"k", "small", "x", clock.now() + std::chrono::hours{1}});
  CHECK(held(file).size() == 1);
}

TEST_CASE("many threads tell the file at once") {
  const Folder folder;
  const test::FakeClock clock;
  const auto later = clock.now() + std::chrono::hours{1};
  {
    OpaqueFile file{folder.options(), clock};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&file, later, t] {
        for (int i = 0; i < 300; ++i) {
          const auto key = std::to_string(i % 60);
          file.put({std::to_string(t), key, std::to_string(i), later});
          if (i % 50 == 0) file.flush();
          if (i % 60 == 59 && i < 240) file.drop(std::to_string(t), key);
        }
      });
    }
    for (auto& thread : threads) thread.join();
  }
  OpaqueFile file{folder.options(), clock};
  const auto found = held(file);
  CHECK(found.size() == 240);
  for (const auto& [name, state] : found)
    CHECK(state == std::to_string(240 + std::stoi(name.second)));
}

}  // namespace
}  // namespace turnpike::account
