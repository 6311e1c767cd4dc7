// Small tools for bytes: hashes, base64, JSON strings, UTF-8 cuts, random-looking names, prose.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::simulator {

/// A 64-bit hash that can be continued: hash(b, hash(a)) depends on both and on their order.
std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed = 0x9e3779b97f4a7c15ULL);

std::string to_hex(std::string_view bytes);
std::string to_hex(std::uint64_t value);
std::string base64(std::string_view bytes);
/// Reads the standard and the URL-safe alphabet, padded or not; nothing for other bytes.
std::optional<std::string> from_base64(std::string_view text);
/// 32 bytes of HMAC-SHA256.
std::string hmac_sha256(std::string_view key, std::string_view message);

/// Appends `text` as a JSON string with its quotes. U+2028 and U+2029 stay raw, as the providers
/// send them.
void append_json_string(std::string& out, std::string_view text);
std::string json_string(std::string_view text);

/// The largest length <= wanted that does not end inside a UTF-8 sequence, but at least one whole
/// character.
std::size_t utf8_cut(std::string_view text, std::size_t wanted);

/// `length` characters of `alphabet`, decided by `seed`.
std::string random_name(std::uint64_t seed, std::size_t length, std::string_view alphabet);
inline constexpr std::string_view base62 =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
inline constexpr std::string_view lower_hex = "0123456789abcdef";
std::string random_uuid(std::uint64_t seed);

/// At least `bytes` bytes of an engineer's prose (cut to exactly that at a character), decided by
/// `seed`.
std::string prose(std::uint64_t seed, std::size_t bytes);

std::string to_lower(std::string_view text);
bool contains_word(std::string_view lower_text, std::string_view word);
std::string percent_decoded(std::string_view text);
std::int64_t tokens_of(std::string_view text);  // ceil(bytes / 4)

}  // namespace turnpike::simulator
