// Stored decisions for the command line, oldest first: of a running gateway through its admin listener, else out of the
// directory's own file, which may be a copy.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/config.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

/// Which records are wanted; one member counts.
struct RecordRange {
  std::string decision;               // this one
  std::optional<std::size_t> newest;  // the newest so many
  Instant since{};                    // from this instant on
};

class RecordSource {
 public:
  virtual ~RecordSource() = default;
  /// Some more records as JSON texts, in the order of time; empty: there is no more.
  virtual Result<std::vector<std::string>> next() = 0;
};

/// Where the records are: `data` in place of the configured directory, unless it is empty. A directory that a gateway
/// uses is asked for there; no file of it is touched.
Config at_data(Config config, const std::filesystem::path& data);
Result<std::unique_ptr<RecordSource>> open_records(const Config& config, const Clock& clock, const RecordRange& range);

}  // namespace turnpike::app
