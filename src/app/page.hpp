// What every admin page is made of: an answer in JSON, an error in JSON, the fields of a query.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "turnpike/error.hpp"
#include "turnpike/handler.hpp"

namespace turnpike::app {

WholeReply page(const nlohmann::ordered_json& body, int status = 200);
WholeReply fault_page(const Error& error);

/// Value of one query field, percent-decoded ('+' stays).
std::optional<std::string> query_field(std::string_view query, std::string_view name);
/// For the value of a query field, or a part of a path.
std::string percent_decode(std::string_view text);
std::string percent_encode(std::string_view text);

}  // namespace turnpike::app
