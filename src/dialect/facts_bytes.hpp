// How much of a body a provider can count as prompt.
#pragma once

#include <simdjson.h>

#include <cstdint>

namespace turnpike::dialect {

/// At least the bytes that a value takes as compact JSON.
std::int64_t compact_bytes_of(const simdjson::dom::element& value);

}  // namespace turnpike::dialect
