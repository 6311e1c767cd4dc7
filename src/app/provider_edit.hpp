// Edits of provider files: lines are added, or one number replaced; every other byte stays,
// comments included. Each edit is read back before it is handed out: the result says what the
// original says and the addition, or there is no result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "turnpike/clock.hpp"

namespace turnpike::app {

using EditedText =
    std::expected<std::string, std::string>;  // the error says why the document cannot be edited

/// A further [[model.price]] with these lines, behind the last one of the model that begins before
/// `from`. `model` counts the document's [[model]] tables from 0.
EditedText add_price(std::string_view document, std::size_t model, Instant from,
                     std::string_view lines);

/// Another value for a number that the model's table has.
EditedText set_number(std::string_view document, std::size_t model, std::string_view key,
                      std::int64_t value);

/// A further [[model]] at the end; `lines` are its table and all below it, without the header.
EditedText add_model(std::string_view document, std::string_view lines);

}  // namespace turnpike::app
