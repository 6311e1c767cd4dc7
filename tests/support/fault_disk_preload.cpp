// The misbehaving disk for a real program: LD_PRELOAD=libfault_disk.so.
//
// FAULT_DISK_WATCH is the directory. FAULT_DISK_CONTROL is a file of lines, read when it changes;
// what it said is then copied beside it, with `.seen`:
//
//   free BYTES                    -1: without bound
//   fail_fsync SUFFIX COUNT       with EIO
//   fail_write SUFFIX COUNT
//   lose_power IMAGE SEED         IMAGE becomes what a power failure would leave
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <thread>

#include "support/fault_disk.hpp"

namespace {

namespace disk = turnpike::testing::fault_disk;

std::string contents(const std::string& path) {
  std::ifstream file{path};
  return {std::istreambuf_iterator<char>{file}, {}};
}

void obey(const std::string& orders) {
  std::istringstream lines{orders};
  for (std::string word; lines >> word;) {
    if (word == "free") {
      std::int64_t bytes = 0;
      lines >> bytes;
      disk::set_free(bytes);
      continue;
    }
    if (word == "lose_power") {
      std::string image;
      std::uint64_t seed = 0;
      lines >> image >> seed;
      std::mt19937_64 random{seed};
      disk::lose_power(image, random);
      continue;
    }
    std::string suffix;
    int count = 0;
    lines >> suffix >> count;
    if (word == "fail_fsync") disk::fail_fsync(suffix, count, EIO);
    if (word == "fail_write") disk::fail_write(suffix, count, EIO);
  }
}

[[noreturn]] void follow(const std::string& control) {
  std::string known;
  while (true) {
    auto orders = contents(control);
    if (orders != known && orders.ends_with('\n')) {
      obey(orders);
      std::ofstream{control + ".seen"} << orders;
      known = std::move(orders);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
}

[[gnu::constructor]] void begin() {
  const char* directory = std::getenv("FAULT_DISK_WATCH");
  const char* control = std::getenv("FAULT_DISK_CONTROL");
  if (directory == nullptr || control == nullptr) return;
  disk::watch(directory);
  std::thread{follow, std::string{control}}.detach();
}

}  // namespace
