// How large the requests of real harnesses are, and how long agents' loops: numbers out of ../shared/data, or the figures
// measured there on 2026-11-22 where that is not at hand.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace turnpike::economics {

/// Bytes of text in the requests of one harness.
struct Shape {
  std::string name;
  std::int64_t head = 0;   // tools and instructions
  std::int64_t first = 0;  // the first message beside the question: reminders, environment
  std::int64_t frame = 0;  // of a call and its result, without what the tool printed
};

struct Measured {
  std::vector<Shape> shapes;
  std::vector<int> loops;          // steps of whole agent runs
  double stray_failures = 0;       // share of commands that fail in runs that succeed
  bool from_files = false;
};

Measured measured(const std::filesystem::path& shared);

}  // namespace turnpike::economics
