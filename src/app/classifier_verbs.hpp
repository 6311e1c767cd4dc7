// `turnpike classifier …`: what was learned from outcomes; show, train, freeze, unfreeze, reset, export.
#pragma once

#include "app/commands.hpp"

namespace CLI {
class App;
}

namespace turnpike::app {

/// Adds the verbs; parsing one sets `verb`. `output` is the command line's own --json.
void add_classifier_verbs(CLI::App& app, const Output& output, Verb& verb);

}  // namespace turnpike::app
