// [limits] of turnpike.toml, what follows from descriptors and cgroups, and the levels of memory.
#include "app/limits.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "app/config.hpp"
#include "app/memory_watch.hpp"
#include "support/fake_clock.hpp"

using namespace turnpike;
using namespace turnpike::app;

namespace {

std::expected<Config, std::vector<catalog::Fault>> load(const std::string& text) {
  const auto file = std::filesystem::temp_directory_path() / ("turnpike-limits-" + std::to_string(::getpid()) + ".toml");
  std::ofstream{file} << text;
  auto config = load_config(file);
  std::filesystem::remove(file);
  return config;
}

Limits limits_of(const std::string& text) {
  const auto config = load("[limits]\n" + text);
  if (!config) FAIL(to_string(config.error().front()));
  return config->limits;
}

std::string faults_of(const std::string& text) {
  const auto config = load("[limits]\n" + text);
  std::string faults;
  if (!config) {
    for (const auto& fault : config.error()) faults += to_string(fault) + '\n';
  }
  return faults;
}

struct Folder {
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("turnpike-cgroup-" + std::to_string(::getpid()));
};

}  // namespace

TEST_CASE("Without [limits] the specification's values are in force", "[app][limits]") {
  const auto config = load("");
  REQUIRE(config);
  const auto& limits = config->limits;
  CHECK(limits.server.head_bytes_max == 32 * 1024);
  CHECK(limits.server.body_bytes_max == 32U << 20U);
  CHECK(limits.server.slow_reader_timeout == std::chrono::seconds{60});
  CHECK(limits.overload.gate.wait_max == std::chrono::milliseconds{500});
  CHECK(limits.memory == Limits::Memory::automatic);
  CHECK_FALSE(limits.key_concurrency);
}

TEST_CASE("Every bound can be set", "[app][limits]") {
  const auto limits = limits_of(
      "head_bytes = 16384\ntarget_bytes = 4096\nfields = 50\nbody_bytes = 1048576\nbody_bytes_per_s = 2048\nhead_s = 5\nidle_s = 20\n"
      "body_grace_s = 3\nbody_s = 60\nstream_buffer_bytes = 131072\nslow_reader_s = 30\nconnections = 1000\naccept_pause_ms = 100\n"
      "in_flight = 64\nqueue_requests = 32\nqueue_bytes = 2097152\nqueue_wait_ms = 250\nmemory_bytes = 1073741824\n"
      "[limits.key]\nrequests_per_minute = 600\ntokens_per_minute = 2000000\nconcurrency = 8\n");
  CHECK(limits.server.head_bytes_max == 16384);
  CHECK(limits.server.target_bytes_max == 4096);
  CHECK(limits.server.fields_max == 50);
  CHECK(limits.server.body_bytes_max == 1048576);
  CHECK(limits.server.body_bytes_per_second_min == 2048);
  CHECK(limits.server.head_timeout == std::chrono::seconds{5});
  CHECK(limits.server.idle_timeout == std::chrono::seconds{20});
  CHECK(limits.server.body_grace == std::chrono::seconds{3});
  CHECK(limits.server.body_timeout == std::chrono::seconds{60});
  CHECK(limits.server.write_queue_bytes_max == 131072);
  CHECK(limits.server.slow_reader_timeout == std::chrono::seconds{30});
  CHECK(limits.server.connections_max == 1000);
  CHECK(limits.server.accept_pause == std::chrono::milliseconds{100});
  CHECK(limits.overload.gate.in_flight_max == 64);
  CHECK(limits.overload.gate.queue.requests_max == 32);
  CHECK(limits.overload.gate.queue.bytes_max == 2097152);
  CHECK(limits.overload.gate.wait_max == std::chrono::milliseconds{250});
  CHECK(limits.memory == Limits::Memory::bytes);
  CHECK(limits.memory_bytes == 1073741824);
  CHECK(limits.overload.rates.requests_per_minute == 600);
  CHECK(limits.overload.rates.tokens_per_minute == 2'000'000);
  CHECK(limits.key_concurrency == 8);
}

TEST_CASE("A bound that cannot be is a fault with its line, and all of them are told", "[app][limits]") {
  for (const auto& wrong :
       {"accept_pause_ms = 10\n", "slow_reader_s = 0\n", "memory_bytes = 1000\n", "memory_bytes = \"much\"\n", "in_flight = -1\n",
        "target_bytes = 40000\n", "queue_bytes = 1024\n", "body_grace_s = 200\n", "head_s = 1.5\n", "[limits.key]\nconcurrency = 0\n"}) {
    INFO(wrong);
    CHECK(faults_of(wrong).find(".toml:") != std::string::npos);
  }
  const auto two = faults_of("conections = 5\nqueue_wait_ms = 0\n");
  CHECK(two.find("connections") != std::string::npos);  // the nearest name
  CHECK(two.find("queue_wait_ms") != std::string::npos);
  const auto short_words = faults_of("[limits.key]\nrpm = 5\ntpm = 5\n");
  CHECK(short_words.find(":3:1: [limits.key]: unknown key \"rpm\" (nearest: \"requests_per_minute\")") != std::string::npos);
  CHECK(short_words.find(":4:1: [limits.key]: unknown key \"tpm\" (nearest: \"tokens_per_minute\")") != std::string::npos);
}

TEST_CASE("A larger body makes room for itself in the queue", "[app][limits]") {
  CHECK(limits_of("body_bytes = 268435456\n").overload.gate.queue.bytes_max == 268435456);
}

TEST_CASE("Half the descriptors are for clients, and no more requests run than there are others for", "[app][limits]") {
  const auto few = fitted_to({}, 256);
  CHECK(few.server.connections_max == 128);
  CHECK(few.overload.gate.in_flight_max == 64);
  const auto many = fitted_to({}, 65536);
  CHECK(many.server.connections_max == 32768);
  CHECK(many.overload.gate.in_flight_max == 32704);
  Limits asked;
  asked.server.connections_max = 1'000'000;
  asked.overload.gate.in_flight_max = 10;
  CHECK(fitted_to(asked, 1024).server.connections_max == 512);
  CHECK(fitted_to(asked, 1024).overload.gate.in_flight_max == 10);
}

TEST_CASE("The memory target is four fifths of the tightest cgroup, what was set, or nothing", "[app][limits][memory]") {
  const Folder root;
  std::filesystem::create_directories(root.path / "a.slice/b.service");
  const std::string own = "1:name=systemd:/x\n0::/a.slice/b.service\n";
  Limits limits;
  CHECK(memory_target(limits, root.path, own) == 0);
  std::ofstream{root.path / "a.slice/b.service/memory.max"} << "max\n";
  CHECK(memory_target(limits, root.path, own) == 0);
  std::ofstream{root.path / "a.slice/memory.max"} << "1000000000\n";
  CHECK(memory_target(limits, root.path, own) == 800'000'000);
  std::ofstream{root.path / "a.slice/b.service/memory.max"} << "500000000\n";
  CHECK(memory_target(limits, root.path, own) == 400'000'000);
  CHECK(memory_target(limits, root.path, "no cgroup here") == 0);
  limits.memory = Limits::Memory::off;
  CHECK(memory_target(limits, root.path, own) == 0);
  limits.memory = Limits::Memory::bytes;
  limits.memory_bytes = 123;
  CHECK(memory_target(limits, root.path, own) == 123);
}

TEST_CASE("Levels begin at 85 and 95 % and end 5 points lower", "[app][limits][memory]") {
  using gateway::MemoryLevel;
  const auto level = [](std::uint64_t percent, MemoryLevel before) { return memory_level(percent * 10, 1000, before); };
  CHECK(level(84, MemoryLevel::normal) == MemoryLevel::normal);
  CHECK(level(85, MemoryLevel::normal) == MemoryLevel::tight);
  CHECK(level(80, MemoryLevel::tight) == MemoryLevel::tight);
  CHECK(level(79, MemoryLevel::tight) == MemoryLevel::normal);
  CHECK(level(95, MemoryLevel::normal) == MemoryLevel::critical);
  CHECK(level(94, MemoryLevel::tight) == MemoryLevel::tight);
  CHECK(level(90, MemoryLevel::critical) == MemoryLevel::critical);
  CHECK(level(89, MemoryLevel::critical) == MemoryLevel::tight);
  CHECK(level(10, MemoryLevel::critical) == MemoryLevel::normal);
  CHECK(memory_level(1'000'000, 0, MemoryLevel::normal) == MemoryLevel::normal);
}

TEST_CASE("The watch sees the process's memory, changes the level and closes what is idle", "[app][limits][memory]") {
  test::FakeClock clock;
  gateway::Overload overload{{}, clock};
  int closed = 0;
  MemoryWatch relaxed{std::uint64_t{1} << 50U, overload, [&] { ++closed; }};
  CHECK(relaxed.resident() > 1'000'000);
  relaxed.on_tick(clock.monotonic());
  CHECK(overload.memory == gateway::MemoryLevel::normal);
  MemoryWatch strict{1'000'000, overload, [&] { ++closed; }};
  strict.on_tick(clock.monotonic());
  CHECK(overload.memory == gateway::MemoryLevel::critical);
  strict.on_tick(clock.monotonic());
  CHECK(closed == 2);
  relaxed.on_tick(clock.monotonic());
  CHECK(overload.memory == gateway::MemoryLevel::normal);
  CHECK(closed == 2);
}
