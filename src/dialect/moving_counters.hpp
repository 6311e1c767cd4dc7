// The counters in the events of a Gemini stream, which move on from event to event while every
// other byte stays.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/gemini_usage.hpp"
#include "dialect/json_reading.hpp"

namespace turnpike::dialect {

/// Where whole numbers stand in the text of one event, and what the last event has there.
class MovingCounters {
 public:
  /// `rest` is the end of an event that was read; `usage`, its usageMetadata, begins at `begin` of
  /// it. `report` is what the reader made of that; null: nothing. False if some number is not a
  /// plain whole one.
  bool learn(std::string_view rest, const RawCursor& usage, std::size_t begin,
             const UsageReport* report);
  /// Whether `rest` begins with what was learned but for the numbers, which are taken over; how
  /// many bytes that is, 0 if not.
  std::size_t match(std::string_view rest);
  /// What the numbers say, if they moved since this was last asked.
  std::optional<UsageReport> moved();

 private:
  struct Number {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::int64_t value = 0;
  };
  static std::optional<Number> number_at(std::string_view text, std::size_t begin);
  bool find_numbers(std::size_t begin, std::size_t end);

  std::string rest_;                                             // of the last event
  std::vector<Number> numbers_;                                  // in rest_, in order
  std::vector<Number> found_;                                    // scratch
  std::array<std::size_t, gemini_counters.size()> number_of_{};  // by counter
  std::optional<UsageReport> learned_;  // nothing: the numbers mean nothing
  bool moved_ = false;
};

}  // namespace turnpike::dialect
