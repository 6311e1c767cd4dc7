// How large a parsed value is as text, without writing it.
#pragma once

#include <simdjson.h>

#include <cstdint>

namespace turnpike::dialect {

/// At least the bytes that the value takes as compact JSON: an upper bound of what a provider can
/// count of it.
std::int64_t compact_bytes(const simdjson::dom::element& value);

}  // namespace turnpike::dialect
