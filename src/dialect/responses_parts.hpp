// Content parts of Responses items to texts and media.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dialect/ir.hpp"
#include "dialect/losses.hpp"
#include "turnpike/error.hpp"
#include "wire/json_view.hpp"

namespace turnpike::dialect {

/// A text, or a list of input_*, output_text and refusal parts; null is nothing. `param` is the
/// path of `content`. Errors: 400 unsupported_parameter for what belongs to one provider (stored
/// files), 400 invalid_value.
Result<std::vector<ir::ResultPart>> read_responses_parts(wire::JsonView content,
                                                         const std::string& param, Losses& losses);

/// The texts of a reasoning item: its content, or where that is empty its summary, a blank line
/// between parts.
std::string responses_reasoning_text(const wire::JsonFields& item);

}  // namespace turnpike::dialect
