// `turnpike doctor`: a round trip through the running gateway for each client dialect and target, as a table.
//
// Talks to the data port like a harness would; with real providers it spends a few credits (about twelve small requests
// per dialect and target).
#pragma once

#include <string>
#include <vector>

#include "app/commands.hpp"
#include "app/config.hpp"

namespace turnpike::app {

struct DoctorOptions {
  std::string url;  // empty: the configured listener
  std::string key;  // empty: none is sent
  std::vector<std::string> targets;   // empty: the first model of each provider in GET /v1/models
  std::vector<std::string> dialects;  // names as in provider files; empty: all four
};

/// 0: every probe passed or does not apply; 1: some failed.
int run_doctor(const Config& config, const DoctorOptions& options, Output output);

}  // namespace turnpike::app
