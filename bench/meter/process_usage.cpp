#include "process_usage.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

namespace turnpike::meter {
namespace {

namespace fs = std::filesystem;

void add_family(pid_t pid, std::vector<pid_t>& found) {
  if (std::find(found.begin(), found.end(), pid) != found.end()) return;
  found.push_back(pid);
  std::error_code gone;
  for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    std::ifstream children{task.path() / "children"};
    for (pid_t child = 0; children >> child;) add_family(child, found);
  }
}

double run_time_us(const fs::path& process) {
  double sum_ns = 0;
  std::error_code gone;
  for (const auto& task : fs::directory_iterator(process / "task", gone)) {
    std::ifstream file{task.path() / "schedstat"};
    double ns = 0;
    if (file >> ns) sum_ns += ns;
  }
  return sum_ns / 1000;
}

double proportional_kb(const fs::path& process) {
  std::ifstream file{process / "smaps_rollup"};
  for (std::string word; file >> word;) {
    double kb = 0;
    if (word == "Pss:" && file >> kb) return kb;
  }
  return 0;
}

}  // namespace

ProcessUsage usage_of(const std::vector<pid_t>& roots) {
  std::vector<pid_t> family;
  for (const auto pid : roots) add_family(pid, family);
  ProcessUsage usage;
  for (const auto pid : family) {
    const auto process = fs::path{"/proc"} / std::to_string(pid);
    usage.cpu_us += run_time_us(process);
    usage.memory_kb += proportional_kb(process);
  }
  return usage;
}

}  // namespace turnpike::meter
