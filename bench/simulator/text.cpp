#include "text.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cctype>
#include <cstring>

namespace turnpike::simulator {
namespace {

std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93ULL;
  x ^= x >> 29;
  x *= 0xd6e8feb86659fd93ULL;
  return x ^ (x >> 32);
}

constexpr std::string_view standard_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_value(char c) {
  if (c == '-') return 62;
  if (c == '_') return 63;
  const auto at = standard_alphabet.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

// Some hold characters of two, three and four bytes, so that every consumer meets them.
constexpr std::array<std::string_view, 14> sentences = {
    "Let me look at how the pieces fit together before changing anything. ",
    "The failing case comes from the boundary between the two modules. ",
    "A small, reversible step is better here than a large rewrite – it can be checked at once. ",
    "First the inputs are validated, then the plan is built → then it runs. ",
    "The configuration names three files; only the second one is read at start-up. ",
    "That explains the symptom: the timeout fires before the retry is due. ",
    "I compared both versions line by line and they agree except for the ordering. ",
    "The naïve approach would scan the whole list each time, which is quadratic. ",
    "With the index in place a lookup costs a few microseconds ✓. ",
    "There are two ways to express this, and the shorter one is also the clearer one. ",
    "The tests cover the empty case, the single element and the long tail 🧪. ",
    "Nothing else depends on this helper, so it can move next to its caller. ",
    "I kept the public behaviour unchanged and renamed only what was misleading. ",
    "The remaining risk is the migration, and it can be rolled back in one command. ",
};

}  // namespace

std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t seed) {
  std::uint64_t h = seed ^ (bytes.size() * 0xff51afd7ed558ccdULL);
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    h = mix(h ^ word) + 0x9e3779b97f4a7c15ULL;
  }
  std::uint64_t tail = 0;
  if (at < bytes.size()) std::memcpy(&tail, bytes.data() + at, bytes.size() - at);
  return mix(h ^ tail);
}

std::string to_hex(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += lower_hex[byte >> 4];
    out += lower_hex[byte & 15];
  }
  return out;
}

std::string to_hex(std::uint64_t value) {
  std::string out(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4) out[i] = lower_hex[value & 15];
  return out;
}

std::string base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3), '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                  reinterpret_cast<const unsigned char*>(bytes.data()),
                  static_cast<int>(bytes.size()));
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const int value = base64_value(c);
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out += static_cast<char>((bits >> held) & 0xff);
  }
  return out;
}

std::string hmac_sha256(std::string_view key, std::string_view message) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(),
       &size);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20) {
      out += "\\u00";
      out += lower_hex[byte >> 4];
      out += lower_hex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

std::string json_string(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_json_string(out, text);
  return out;
}

std::size_t utf8_cut(std::string_view text, std::size_t wanted) {
  if (wanted >= text.size()) return text.size();
  const auto continues = [&](std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
  };
  std::size_t cut = wanted;
  while (cut > 0 && continues(cut)) --cut;
  if (cut > 0) return cut;
  cut = 1;
  while (continues(cut)) ++cut;
  return cut;
}

std::string random_name(std::uint64_t seed, std::size_t length, std::string_view alphabet) {
  std::string out(length, '0');
  std::uint64_t state = mix(seed + 0x632be59bd9b4e019ULL);
  for (char& c : out) {
    c = alphabet[state % alphabet.size()];
    state = mix(state + 0x9e3779b97f4a7c15ULL);
  }
  return out;
}

std::string random_uuid(std::uint64_t seed) {
  std::string hex = random_name(seed, 32, lower_hex);
  hex[12] = '4';
  hex[16] = "89ab"[seed % 4];
  return hex.substr(0, 8) + '-' + hex.substr(8, 4) + '-' + hex.substr(12, 4) + '-' +
         hex.substr(16, 4) + '-' + hex.substr(20);
}

std::string prose(std::uint64_t seed, std::size_t bytes) {
  std::string out;
  std::uint64_t state = mix(seed);
  while (out.size() < bytes) {
    out += sentences[state % sentences.size()];
    state = mix(state + 1);
  }
  // Falling short by part of a character would make token counts depend on the text: fill up with
  // dots.
  out.resize(utf8_cut(out, bytes));
  out.resize(bytes, '.');
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

bool contains_word(std::string_view lower_text, std::string_view word) {
  const auto is_letter = [&](std::size_t at) {
    return std::isalnum(static_cast<unsigned char>(lower_text[at])) != 0;
  };
  for (auto at = lower_text.find(word); at != std::string_view::npos;
       at = lower_text.find(word, at + 1)) {
    const bool starts = at == 0 || !is_letter(at - 1);
    const auto end = at + word.size();
    if (starts && (end == lower_text.size() || !is_letter(end))) return true;
  }
  return false;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto high =
        i + 2 < text.size() ? lower_hex.find(to_lower(text.substr(i + 1, 1))) : std::string::npos;
    const auto low =
        i + 2 < text.size() ? lower_hex.find(to_lower(text.substr(i + 2, 1))) : std::string::npos;
    if (text[i] == '%' && high != std::string::npos && low != std::string::npos) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::int64_t tokens_of(std::string_view text) {
  return static_cast<std::int64_t>((text.size() + 3) / 4);
}

}  // namespace turnpike::simulator
