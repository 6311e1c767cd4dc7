#include "app/opaque_persistence.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "support/fake_clock.hpp"

namespace turnpike::app {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "turnpike-opaque-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    options.directory = name;
  }
  ~Folder() { fs::remove_all(options.directory); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  account::OpaqueFileOptions options;
};

dialect::OpaqueState thinking(std::string text) {
  dialect::OpaqueState state;
  state.vendor = "anthropic";
  state.family = "claude-5.5";
  state.kind = dialect::OpaqueKind::claude_thinking;
  state.blocks.push_back({dialect::OpaqueBlock::Form::thinking, std::move(text), "c2ln", 1, true});
  return state;
}

TEST_CASE("a restart keeps what providers want back, until it expires") {
  const Folder folder;
  test::FakeClock clock;
  {
    dialect::OpaqueStore store{clock};
    OpaquePersistence file{folder.options, clock, store};
    store.put("key-1", "call_1", thinking("because"));
    store.put("key-1", "call_2", thinking("old"));
    store.put("key-2", "call_1", thinking("of another"));
    clock.advance(std::chrono::hours{10});
    CHECK(store.find("key-1", "call_1"));
  }
  clock.advance(std::chrono::hours{1});
  {
    dialect::OpaqueStore store{clock};
    OpaquePersistence file{folder.options, clock, store};
    CHECK(store.figures().entries == 3);
    CHECK(store.find("key-1", "call_1") == thinking("because"));
    CHECK(store.find("key-2", "call_1") == thinking("of another"));
    CHECK_FALSE(store.find("key-2", "call_2"));
    store.put("key-1", "call_1", thinking("better"));
  }
  clock.advance(std::chrono::hours{14});
  dialect::OpaqueStore store{clock};
  OpaquePersistence file{folder.options, clock, store};
  CHECK_FALSE(store.find("key-1", "call_2"));
  CHECK(store.find("key-1", "call_1") == thinking("better"));
}

TEST_CASE("what was evicted does not come back, and nobody's state is lost to another's flood") {
  const Folder folder;
  const test::FakeClock clock;
  constexpr std::size_t bytes_max = 200'000;
  account::OpaqueFileOptions options = folder.options;
  options.bytes_max = bytes_max;
  std::size_t entries = 0;
  {
    dialect::OpaqueStore store{clock, bytes_max};
    OpaquePersistence file{options, clock, store};
    for (int i = 0; i < 10; ++i)
      store.put("modest", std::to_string(i), thinking(std::string(1000, 'm')));
    for (int i = 0; i < 2000; ++i)
      store.put("greedy", std::to_string(i), thinking(std::string(1000, 'g')));
    entries = store.figures().entries;
    file.flush();
    CHECK(file.figures().rows == static_cast<std::int64_t>(entries));
    CHECK(file.figures().dropped == 0);
  }
  dialect::OpaqueStore store{clock, bytes_max};
  OpaquePersistence file{options, clock, store};
  CHECK(store.figures().entries == entries);
  for (int i = 0; i < 10; ++i) CHECK(store.find("modest", std::to_string(i)));
  CHECK_FALSE(store.find("greedy", "0"));
  CHECK(store.find("greedy", "1999"));
}

TEST_CASE("a smaller store takes the youngest of what the file has") {
  const Folder folder;
  test::FakeClock clock;
  {
    dialect::OpaqueStore store{clock};
    OpaquePersistence file{folder.options, clock, store};
    for (int i = 0; i < 100; ++i) {
      store.put("k", std::to_string(i), thinking(std::string(1000, 'x')));
      clock.advance(std::chrono::seconds{1});
    }
  }
  dialect::OpaqueStore store{clock, 50'000};
  OpaquePersistence file{folder.options, clock, store};
  CHECK(store.figures().bytes <= 50'000);
  CHECK(store.find("k", "99"));
  CHECK_FALSE(store.find("k", "0"));
}

}  // namespace
}  // namespace turnpike::app
