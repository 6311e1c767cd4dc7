// A value that cannot be printed, compared or serialised by accident.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace turnpike {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  /// The only way out. Call it at the line that writes the header or computes the MAC, never earlier.
  [[nodiscard]] const std::string& reveal() const { return value_; }
  [[nodiscard]] bool empty() const { return value_.empty(); }
  /// First 8 hex digits of SHA-256: enough to tell two keys apart in a configuration dump.
  [[nodiscard]] std::string fingerprint() const;

 private:
  std::string value_;
};

}  // namespace turnpike
