// Where the keys of providers come from, by the name a provider file gives in key_env.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace turnpike::app {

/// The variable NAME itself; else the file that NAME_FILE names (container secrets); else the file NAME in
/// $CREDENTIALS_DIRECTORY (systemd's LoadCredential=). Line ends behind a file's text are taken off. Nothing, if none of
/// them is there or all are empty. Files are read anew at each reload, variables are those of the start.
std::optional<std::string> provider_key(std::string_view name);

}  // namespace turnpike::app
