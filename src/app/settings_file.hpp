// Files of the user's that a command changes: read whole, backed up beside themselves, replaced in
// one step.
#pragma once

#include <expected>
#include <filesystem>
#include <string>

#include "turnpike/clock.hpp"

namespace turnpike::app {

/// The bytes; "" for a file that does not exist. The error is a sentence for the user.
std::expected<std::string, std::string> read_settings(const std::filesystem::path& path);

/// Copies the file, with its permissions, to "NAME.backup-20261122T195203Z" beside it; returns that
/// path, or an empty one if there is no file.
std::expected<std::filesystem::path, std::string> back_up(const std::filesystem::path& path,
                                                          Instant now);

/// Replaces the file by way of a temporary one. Permissions stay; a new file is readable by its
/// owner alone, for it may hold a key. A symbolic link keeps pointing to what is replaced.
std::expected<void, std::string> replace_settings(const std::filesystem::path& path,
                                                  const std::string& text);

}  // namespace turnpike::app
