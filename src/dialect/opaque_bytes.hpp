// An OpaqueState as bytes, for keeping it in a file.
//
//   state := version kind text(vendor) text(family) count block*      text := length bytes
//   block := form after_text calls_before text(text) text(signature)
//
// Numbers of one byte, or of four in little-endian order.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dialect/opaque_store.hpp"

namespace turnpike::dialect {

std::string pack(const OpaqueState& state);
/// Nothing for bytes of another version, cut short or otherwise broken.
std::optional<OpaqueState> unpack(std::string_view bytes);

}  // namespace turnpike::dialect
