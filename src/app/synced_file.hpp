// Files that a power failure leaves whole: the old bytes or the new ones, never half of either.
#pragma once

#include <filesystem>
#include <string_view>

namespace turnpike::app {

/// All of `bytes`, on the disk when this returns true; mode 0600. errno says why not.
bool write_synced(const std::filesystem::path& file, std::string_view bytes);

/// Written beside the file as FILE.new, then renamed over it.
bool replace_synced(const std::filesystem::path& file, std::string_view bytes);

/// Renames a file that cannot be used to FILE.damaged, which is returned; an older one of that name goes.
std::filesystem::path set_aside(const std::filesystem::path& file);

}  // namespace turnpike::app
