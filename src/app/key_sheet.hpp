// Keys and their histories for people, from the JSON of the admin pages.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <ostream>

namespace turnpike::app {

void print_keys(const nlohmann::ordered_json& keys, std::ostream& out);
/// One key with its caps and models.
void print_key(const nlohmann::ordered_json& key, std::ostream& out);
/// Of a key or a budget: one line per change.
void print_history(const nlohmann::ordered_json& history, std::ostream& out);

}  // namespace turnpike::app
