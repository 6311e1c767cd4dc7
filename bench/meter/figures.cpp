#include "figures.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace turnpike::meter {
namespace {

nlohmann::ordered_json quantiles_us(std::vector<std::int64_t> values_ns) {
  if (values_ns.empty()) return nullptr;
  std::sort(values_ns.begin(), values_ns.end());
  const auto at = [&](std::size_t per_mille) {
    const auto index = std::min(values_ns.size() - 1, values_ns.size() * per_mille / 1000);
    return static_cast<double>(values_ns[index]) / 1000;
  };
  return {{"count", values_ns.size()}, {"p50", at(500)}, {"p90", at(900)}, {"p99", at(990)},
          {"p999", at(999)},           {"max", at(1000)}};
}

nlohmann::ordered_json per(double amount, std::int64_t count) {
  if (count == 0) return nullptr;
  return amount / static_cast<double>(count);
}

}  // namespace

nlohmann::ordered_json to_json(const Figures& figures) {
  const auto units = figures.pieces > 0 ? figures.pieces : figures.events;
  return {{"answered", figures.answered},
          {"lost", figures.lost},
          {"reasons", figures.reasons},
          {"events", figures.events},
          {"pieces", figures.pieces},
          {"seconds", figures.seconds},
          {"per_second", static_cast<double>(figures.answered) / figures.seconds},
          {"cpu_us", figures.cpu_us},
          {"cpu_us_per_request", per(figures.cpu_us, figures.answered)},
          {"cpu_us_per_event", per(figures.cpu_us, units)},
          {"latency_us", quantiles_us(figures.latency_ns)},
          {"first_event_us", quantiles_us(figures.first_event_ns)},
          {"under_way_us", quantiles_us(figures.under_way_ns)}};
}

nlohmann::ordered_json to_json(const Held& held) {
  return {{"open", held.open},
          {"lost", held.lost},
          {"reasons", held.reasons},
          {"memory_before_kb", held.memory_before_kb},
          {"memory_kb", held.memory_kb},
          {"kb_per_stream", per(held.memory_kb - held.memory_before_kb, held.open)}};
}

}  // namespace turnpike::meter
