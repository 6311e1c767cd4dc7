#include "signature.hpp"

#include "text.hpp"

namespace turnpike::simulator {
namespace {

constexpr std::string_view secret = "turnpike simulator, nothing worth keeping";
constexpr std::string_view magic = "TSIG";
constexpr std::size_t mac_bytes = 32;

void append_field(std::string& out, std::string_view field) {
  out += static_cast<char>((field.size() >> 8) & 0xff);
  out += static_cast<char>(field.size() & 0xff);
  out += field;
}

std::string mac_digits(std::string_view digits) {
  return to_hex(hmac_sha256(secret, digits)).substr(0, 15);
}

}  // namespace

std::string seal(char kind, const std::vector<std::string>& fields, std::size_t bytes,
                 std::uint64_t seed) {
  std::string raw{magic};
  raw += kind;
  raw += static_cast<char>(fields.size());
  for (const auto& field : fields) append_field(raw, field);
  if (raw.size() + mac_bytes < bytes)
    raw += random_name(seed, bytes - raw.size() - mac_bytes, base62);
  raw += hmac_sha256(secret, raw);
  return base64(raw);
}

std::optional<std::vector<std::string>> unseal(char kind, std::string_view token) {
  const auto raw = from_base64(token);
  if (!raw || raw->size() < magic.size() + 2 + mac_bytes || !raw->starts_with(magic))
    return std::nullopt;
  const std::string_view body{raw->data(), raw->size() - mac_bytes};
  if (hmac_sha256(secret, body) != raw->substr(body.size()) || body[magic.size()] != kind)
    return std::nullopt;
  auto count = static_cast<unsigned char>(body[magic.size() + 1]);
  std::string_view rest = body.substr(magic.size() + 2);
  std::vector<std::string> fields;
  for (; count > 0 && rest.size() >= 2; --count) {
    const std::size_t size = (static_cast<std::size_t>(static_cast<unsigned char>(rest[0])) << 8) |
                             static_cast<unsigned char>(rest[1]);
    if (rest.size() < 2 + size) return std::nullopt;
    fields.emplace_back(rest.substr(2, size));
    rest.remove_prefix(2 + size);
  }
  return fields;
}

std::string seal_uuid(std::uint64_t seed) {
  const auto free = random_uuid(seed);
  std::string digits;
  for (const char digit : free) {
    if (digit != '-' && digits.size() < 17) digits += digit;
  }
  digits += mac_digits(digits);
  return digits.substr(0, 8) + '-' + digits.substr(8, 4) + '-' + digits.substr(12, 4) + '-' +
         digits.substr(16, 4) + '-' + digits.substr(20);
}

bool is_sealed_uuid(std::string_view text) {
  std::string digits;
  for (const char digit : text) {
    if (digit != '-') digits += digit;
  }
  return text.size() == 36 && digits.size() == 32 &&
         digits.substr(17) == mac_digits(std::string_view{digits}.substr(0, 17));
}

}  // namespace turnpike::simulator
