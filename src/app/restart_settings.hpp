// The settings of turnpike.toml that a reload does not put in force.
#pragma once

#include <string_view>
#include <vector>

#include "app/config.hpp"

namespace turnpike::app {

/// "[limits] queue_wait_ms": those whose value in `fresh` is another than the one the process runs with. Switching TLS on or
/// off is not among them: renewing the certificate tells it.
std::vector<std::string_view> waiting_for_restart(const Config& running, const Config& fresh);

}  // namespace turnpike::app
