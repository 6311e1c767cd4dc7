// Opaque tokens that only this program can have issued: base64 of
//   "TSIG" kind(1) field-length(2, big endian) field bytes … mac(32)
// padded with noise before the mac to the sizes seen in recorded traffic. The secret is fixed, so
// that a conversation survives a restart of the simulator.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::simulator {

/// `bytes` is the length of the raw token before base64; it grows when the fields need more.
std::string seal(char kind, const std::vector<std::string>& fields, std::size_t bytes,
                 std::uint64_t seed);
/// The fields, if this program sealed them as `kind` and nothing was changed since.
std::optional<std::vector<std::string>> unseal(char kind, std::string_view token);

/// A UUID that this program can tell from all others: its last 15 digits are a mac of the first 17.
std::string seal_uuid(std::uint64_t seed);
bool is_sealed_uuid(std::string_view text);

}  // namespace turnpike::simulator
