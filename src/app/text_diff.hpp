// What changes in a file, for people: a unified diff, with secrets made unreadable.
#pragma once

#include <string>
#include <string_view>

namespace turnpike::app {

/// Unified diff with three lines of context; empty if the texts are equal. `before_name` and
/// `after_name` stand in the head.
std::string unified_diff(std::string_view before, std::string_view after,
                         std::string_view before_name, std::string_view after_name);

/// Values of names that speak of keys, tokens, secrets or passwords, cut to their first four
/// characters: `"apiKey": "sk-a…"`. References such as {env:NAME}, $NAME and NAME stay.
std::string mask_secrets(std::string_view text);

}  // namespace turnpike::app
