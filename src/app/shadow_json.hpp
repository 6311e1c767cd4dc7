// A shadow pair as the JSON text that <data>/shadow.db keeps and the admin pages show.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "turnpike/shadow.hpp"

namespace turnpike::app {

nlohmann::ordered_json to_json(const ShadowPair& pair);
/// Nothing if the text is no pair: a row of another version. Fields that it lacks have their defaults.
std::optional<ShadowPair> parse_shadow_pair(const std::string& text);
/// True if the text, written by to_json(), is a pair of the serving model with itself. Without parsing it.
bool is_self_text(std::string_view text);

}  // namespace turnpike::app
