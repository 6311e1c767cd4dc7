// What is wrong in a configuration file, and where. All faults of a load are collected, not only
// the first.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::catalog {

/// error: the files are refused. warning: they are used, but an operator should look.
enum class Severity : std::uint8_t { error, warning };

struct Fault {
  std::string file;
  int line = 0;    // 1-based; 0 if the fault belongs to the file as a whole
  int column = 0;  // 1-based, in code points
  std::string message;
  Severity severity = Severity::error;
  bool operator==(const Fault&) const = default;
};

/// "policies/default.toml:14:9: tier \"hard\" names …"; warnings have "warning: " before the
/// message.
std::string to_string(const Fault& fault);

/// True if at least one fault is an error.
bool has_errors(std::span<const Fault> faults);

/// By file and place, the order in which an operator mends them, and each once.
void sort_faults(std::vector<Fault>& faults);

/// The known name that begins like this or has the least edit distance, if it is near enough to be
/// what was meant.
std::optional<std::string> nearest_name(std::string_view wanted,
                                        std::span<const std::string> known);

/// " (nearest: \"opus-5\")", or nothing if no name is near.
std::string nearest_hint(std::string_view wanted, std::span<const std::string> known);

}  // namespace turnpike::catalog
