// turnpike-meter: see options.cpp for what it does.
#include <sys/resource.h>

#include <csignal>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "figures.hpp"
#include "meter.hpp"
#include "options.hpp"
#include "process_usage.hpp"
#include "request_maker.hpp"

namespace {

using namespace turnpike::meter;

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Figures measured(Meter& meter, const Options& options) {
  if (options.warmup > 0) meter.run(options.warmup);
  const auto before = usage_of(options.pids);
  auto figures = meter.run(options.requests);
  figures.cpu_us = usage_of(options.pids).cpu_us - before.cpu_us;
  return figures;
}

nlohmann::ordered_json report(const Options& options) {
  RequestMaker requests{options};
  Meter meter{options, requests};
  if (options.hold == 0) return to_json(measured(meter, options));
  nlohmann::ordered_json told;
  if (options.requests > 0) told["before"] = to_json(measured(meter, options));
  Held held;
  held.memory_before_kb = usage_of(options.pids).memory_kb;
  meter.open_streams(options.hold);
  meter.rest(options.settle_ms);
  held.memory_kb = usage_of(options.pids).memory_kb;
  if (options.requests > 0) told["beside"] = to_json(measured(meter, options));
  held.open = meter.held_open();
  held.lost = meter.held_lost();
  held.reasons = meter.held_reasons();
  told["held"] = to_json(held);
  return told;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto options = read_options(argc, argv);
    if (options.help) {
      std::cout << usage_text;
      return 0;
    }
    std::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    std::cout << report(options).dump() << '\n' << std::flush;
    return 0;
  } catch (const std::invalid_argument& fault) {
    std::cerr << "turnpike-meter: " << fault.what() << "\n\n" << usage_text;
    return 64;
  } catch (const std::exception& fault) {
    std::cerr << "turnpike-meter: " << fault.what() << '\n';
    return 70;
  }
}
