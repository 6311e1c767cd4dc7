// How each agent harness and SDK is told to use the gateway: which variables, which lines of which
// files. Measured with the clients themselves; docs/connect.md says what was not.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/settings_edit.hpp"

namespace turnpike::app {

/// A wire API by the short name used on the command line.
enum class Wire : std::uint8_t { chat, messages, responses, gemini };
std::string_view to_string(Wire wire);
std::optional<Wire> parse_wire(std::string_view name);

/// Where harnesses keep their files.
struct Homes {
  std::filesystem::path home;
  std::filesystem::path claude;  // $CLAUDE_CONFIG_DIR, else ~/.claude
  std::filesystem::path codex;   // $CODEX_HOME, else ~/.codex
  std::filesystem::path config;  // $XDG_CONFIG_HOME, else ~/.config
};

/// What a client is to be connected with.
struct Connection {
  std::string url;  // root of the gateway: no slash and no /v1 at the end
  std::optional<std::string>
      key;  // absent: a placeholder, or a reference to the variable key_variable
  std::string model;
  std::string small_model;  // for titles and other side calls
  Wire wire = Wire::chat;
  bool quiet = false;  // switch off the client's telemetry, updates and side calls, too
  Homes homes;
};

/// The variable that holds the gateway's key where a harness can be told to look for it.
inline constexpr std::string_view key_variable = "TURNPIKE_KEY";

struct SettingsFile {
  std::filesystem::path path;
  SettingsFormat format = SettingsFormat::json;
  std::vector<Setting> settings;
};

struct Recipe {
  std::vector<std::pair<std::string, std::string>> environment;  // values quoted for a shell
  std::vector<SettingsFile> files;
  std::vector<std::string> commands;  // that set it up or start it
  std::string snippet;                // program text of an SDK
};

struct Harness {
  std::string_view name;        // "claude-code"
  std::string_view title;       // "Claude Code"
  std::span<const Wire> wires;  // that it can be told to speak; the first is the default
  /// "auto" has a meaning of its own there: another name that routes by difficulty is better.
  bool own_auto = false;
  Recipe (*recipe)(const Connection& connection);
};

std::span<const Harness> harnesses();

}  // namespace turnpike::app
