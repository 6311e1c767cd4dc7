// Fields of an admin request, one at a time; an error names its field.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "turnpike/clock.hpp"
#include "turnpike/credits.hpp"
#include "turnpike/error.hpp"

namespace turnpike::app {

/// The body of a request; an empty one is an empty object. Error 400 `invalid_json`.
Result<nlohmann::ordered_json> parse_body(const std::string& body);
/// 400 `bad_request`: "<field> <what>".
Error bad_field(std::string_view field, std::string_view what);
/// Error if the body is no object, or has a field that is not in `known` (the nearest is named).
Result<void> check_fields(const nlohmann::ordered_json& body,
                          std::initializer_list<std::string_view> known);

/// Absent and null are alike: nothing. Texts are for people and reports: up to 200 bytes, no
/// control bytes.
Result<std::optional<std::string>> read_text(const nlohmann::ordered_json& body,
                                             std::string_view field);
Result<std::optional<bool>> read_flag(const nlohmann::ordered_json& body, std::string_view field);

/// What a change says about a bound: nothing (it stays), null (it goes), or its new value.
template <typename Value>
using Bound = std::optional<std::optional<Value>>;
/// Decimal credits as a string, above zero.
Result<Bound<Credits>> read_credits_bound(const nlohmann::ordered_json& body,
                                          std::string_view field);
Result<Bound<std::int32_t>> read_count_bound(const nlohmann::ordered_json& body,
                                             std::string_view field, std::int64_t most = 1'000'000);
Result<Bound<Instant>> read_instant_bound(const nlohmann::ordered_json& body,
                                          std::string_view field);

/// Who asks: `by` of the body, else "admin".
Result<std::string> read_by(const nlohmann::ordered_json& body);

nlohmann::ordered_json json_of(const std::optional<Credits>& amount);
nlohmann::ordered_json json_of(const std::optional<Instant>& instant);
nlohmann::ordered_json json_of(const std::optional<std::int32_t>& count);

}  // namespace turnpike::app
