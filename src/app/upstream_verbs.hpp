// `turnpike upstream …`: the providers' keys as the running gateway sees them.
#pragma once

#include "app/verb_tools.hpp"

namespace CLI {
class App;
}

namespace turnpike::app {

/// Adds the verbs; parsing one sets `verb`. `output` is the command line's own --json.
void add_upstream_verbs(CLI::App& app, const Output& output, Verb& verb);

}  // namespace turnpike::app
