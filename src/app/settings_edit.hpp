// Setting values in other programs' configuration files: only the bytes of these values change, so
// that comments, order and formatting of what somebody wrote by hand stay as they are. Each edit is
// read back before it is handed out: the result holds the wanted values and is otherwise equal to
// the original, or there is no result.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::app {

enum class SettingsFormat : std::uint8_t {
  json,  // comments allowed, as most harnesses allow them
  toml,
  env,  // lines of NAME=value
};

struct Setting {
  std::vector<std::string> path;  // names from the root: {"env", "ANTHROPIC_BASE_URL"}
  std::string json;               // the value as JSON; toml takes strings and booleans, env strings
  /// The value holds the key itself: without one there is nothing to write.
  bool holds_key = false;
};

/// `document` with the values set; an empty one becomes a whole document. Elements of an array of
/// objects replace those with the same "id" and are added to the others. The error says why the
/// document cannot be edited, for its owner.
std::expected<std::string, std::string> edit_settings(SettingsFormat format,
                                                      std::string_view document,
                                                      const std::vector<Setting>& settings);

std::expected<std::string, std::string> edit_json(std::string_view document,
                                                  const std::vector<Setting>& settings);
std::expected<std::string, std::string> edit_toml(std::string_view document,
                                                  const std::vector<Setting>& settings);
std::expected<std::string, std::string> edit_env(std::string_view document,
                                                 const std::vector<Setting>& settings);

}  // namespace turnpike::app
