// The word that opens the admin listener.
#pragma once

#include <filesystem>

#include "turnpike/error.hpp"
#include "turnpike/secret.hpp"

namespace turnpike::app {

/// What the file holds; made, for its owner alone, if it is missing or too short to be one.
Result<Secret> admin_token(const std::filesystem::path& file);

}  // namespace turnpike::app
