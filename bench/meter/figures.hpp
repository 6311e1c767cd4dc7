// What was measured, and its line of JSON.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace turnpike::meter {

struct Figures {
  std::int64_t answered = 0;  // as they should be
  std::int64_t lost = 0;      // refused, broken, cut, or never answered
  std::int64_t events = 0;
  std::int64_t pieces = 0;  // events that carried the simulator's text
  double seconds = 0;
  double cpu_us = 0;
  std::map<std::string, std::int64_t> reasons;  // of what was lost
  std::vector<std::int64_t> latency_ns;
  std::vector<std::int64_t> first_event_ns;
  std::vector<std::int64_t> under_way_ns;
};

struct Held {
  std::int64_t open = 0;  // streams that had begun and were still open at the end
  std::int64_t lost = 0;
  std::map<std::string, std::int64_t> reasons;
  double memory_before_kb = 0;
  double memory_kb = 0;
};

nlohmann::ordered_json to_json(const Figures& figures);
nlohmann::ordered_json to_json(const Held& held);

}  // namespace turnpike::meter
