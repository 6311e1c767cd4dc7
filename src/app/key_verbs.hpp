// `turnpike keys …`: who may come in, and on whose account.
#pragma once

#include "app/verb_tools.hpp"

namespace CLI {
class App;
}

namespace turnpike::app {

/// Adds the verbs; parsing one sets `verb`. `output` is the command line's own --json.
void add_key_verbs(CLI::App& app, const Output& output, Verb& verb);

}  // namespace turnpike::app
