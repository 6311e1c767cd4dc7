// What the verbs of the command line that ask the admin pages have in common.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "app/commands.hpp"
#include "app/config.hpp"
#include "turnpike/clock.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

/// One admin request by whichever way reaches the ledger.
Result<nlohmann::ordered_json> ask(const Config& config, const Clock& clock,
                                   std::string_view method, const std::string& target,
                                   const nlohmann::ordered_json& body);

/// The operating system's name of who runs this: what `--by` defaults to.
std::string operating_user();

/// "-" for null, strings without quotes.
std::string cell(const nlohmann::ordered_json& value);
/// An instant without its fraction of a second; "-" for null.
std::string moment(const nlohmann::ordered_json& instant);
/// "1 key", "3 keys".
std::string counted(std::int64_t count, std::string_view noun);
int print_json(const nlohmann::ordered_json& json);
/// The `warnings` of an answer, one line each, to standard error.
void print_warnings(const nlohmann::ordered_json& answer);
/// True if standard output is a terminal: then bars are drawn.
bool on_terminal();

}  // namespace turnpike::app
