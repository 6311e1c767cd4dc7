// turnpike-load: see options.cpp for what it does.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>

#include "driver.hpp"
#include "options.hpp"

namespace {

using turnpike::load::Options;
using turnpike::load::Totals;

// Set by a signal handler, which reaches nothing else.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<bool> stop_requested{false};

nlohmann::ordered_json quantiles(std::vector<std::int64_t> values) {
  if (values.empty()) return nullptr;
  std::sort(values.begin(), values.end());
  const auto at = [&](std::size_t percent) {
    return values[std::min(values.size() - 1, values.size() * percent / 100)];
  };
  return {{"p50", at(50)}, {"p90", at(90)}, {"p99", at(99)}, {"max", values.back()}};
}

nlohmann::ordered_json report(const Options& options, const Totals& totals, double seconds) {
  nlohmann::ordered_json refused = nlohmann::ordered_json::object();
  std::int64_t refused_total = 0;
  for (const auto& [status, count] : totals.refused) {
    refused[std::to_string(status)] = count;
    refused_total += count;
  }
  return {{"seed", options.seed},
          {"requests", totals.requests},
          {"completed", totals.completed},
          {"refused_total", refused_total},
          {"refused", refused},
          {"cancelled", totals.cancelled},
          {"error_events", totals.error_events},
          {"unreached", totals.unreached},
          {"without_usage", totals.without_usage},
          {"broken", totals.broken},
          {"broken_reasons", totals.broken_reasons},
          {"streams", totals.streams},
          {"tool_calls", totals.tool_calls},
          {"loops_completed", totals.loops_completed},
          {"bytes", totals.bytes},
          {"seconds", seconds},
          {"first_token_us", quantiles(totals.first_token_us)},
          {"total_us", quantiles(totals.total_us)}};
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto options = turnpike::load::read_options(argc, argv);
    if (options.help) {
      std::cout << turnpike::load::usage_text;
      return 0;
    }
    std::signal(SIGPIPE, SIG_IGN);
    for (const int signal : {SIGTERM, SIGINT})
      std::signal(signal, [](int) { stop_requested = true; });
    raise_descriptor_limit();
    turnpike::load::Driver driver{options};
    const auto start = std::chrono::steady_clock::now();
    driver.run(stop_requested);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::cout << report(options, driver.totals(), took.count()).dump() << '\n' << std::flush;
    return driver.totals().broken > 0 ? 1 : 0;
  } catch (const std::invalid_argument& fault) {
    std::cerr << "turnpike-load: " << fault.what() << "\n\n" << turnpike::load::usage_text;
    return 64;
  } catch (const std::exception& fault) {
    std::cerr << "turnpike-load: " << fault.what() << '\n';
    return 70;
  }
}
