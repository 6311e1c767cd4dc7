// The recorded answers of providers, as cassettes.py tells them.
//
// The recordings are not part of the project: TURNPIKE_SHARED names the folder that holds
// data/wire, by default ../shared beside the sources. Without them (or without Python's yaml) the
// tests that use them say so and pass.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace turnpike::dialect::test {

inline std::string output_of(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  std::string text;
  std::array<char, 65536> buffer{};
  for (std::size_t count = 0; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    text.append(buffer.data(), count);
  }
  return pclose(pipe) == 0 ? text : std::string{};
}

inline std::vector<nlohmann::ordered_json> recorded_answers() {
  const char* shared = std::getenv("TURNPIKE_SHARED");
  const std::string folder =
      (shared != nullptr ? std::string{shared} : std::string{TURNPIKE_SOURCE_DIR} + "/../shared") +
      "/data/wire";
  std::vector<nlohmann::ordered_json> answers;
  for (const std::string python : {"python3", "/usr/bin/python3"}) {
    const std::string text = output_of(python + " '" + TURNPIKE_SOURCE_DIR +
                                       "/tests/dialect/cassettes.py' '" + folder + "' 2>/dev/null");
    std::size_t at = 0;
    while (at < text.size()) {
      const std::size_t end = text.find('\n', at);
      answers.push_back(nlohmann::ordered_json::parse(text.substr(at, end - at)));
      at = end + 1;
    }
    if (!answers.empty()) break;
  }
  if (answers.empty()) {
    std::cerr << "SKIPPED: replay of recorded traffic: no recordings in " << folder
              << " or no python3-yaml\n";
  }
  return answers;
}

}  // namespace turnpike::dialect::test
