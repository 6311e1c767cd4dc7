// One JSON object per line. Never blocks a request: lines go to a bounded queue, dropped ones are counted.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace turnpike {

enum class LogLevel : std::uint8_t { debug, info, warn, error };

using LogValue = std::variant<std::string_view, std::int64_t, double, bool>;
using LogField = std::pair<std::string_view, LogValue>;

/// Any thread. Strings are escaped and cut at 1 KiB. `event` is a stable snake_case word.
void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

/// Called once by main: starts the writer thread, lines go to this descriptor. Before it, lines are written directly to
/// standard error. stop_logging() drains (at most 1 s) and joins.
void start_logging(int descriptor, LogLevel least);
void stop_logging();
/// Lines dropped because the reader of the log was slower than we are.
std::uint64_t log_lines_dropped();

}  // namespace turnpike
