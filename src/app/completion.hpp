// Shell completion, made from the command line's own tree of verbs, so that it never lags behind.
#pragma once

#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace turnpike::app {

/// A script for "bash" (zsh reads it with bashcompinit) or "fish"; empty for any other shell.
std::string completion_script(const CLI::App& root, std::string_view shell);

}  // namespace turnpike::app
