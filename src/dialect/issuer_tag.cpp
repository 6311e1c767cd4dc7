#include "dialect/issuer_tag.hpp"

#include <openssl/evp.h>

namespace turnpike::dialect {

namespace {

constexpr std::string_view mark = "tpk1:";
/// base64 of the mark's first three bytes: what every token begins with.
constexpr std::string_view token_head = "dHBr";
constexpr std::size_t token_bytes_max = 1024;

std::string base64(std::string_view text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

/// Empty for anything that is not base64.
std::string from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return {};
  std::string out(text.size() / 4 * 3, '\0');
  const int length =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (length < 0) return {};
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  out.resize(static_cast<std::size_t>(length) - padding);
  return out;
}

}  // namespace

std::string write_issuer_tag(const IssuerTag& tag) {
  std::string text{mark};
  text.append(tag.provider).append("\n").append(tag.family).append("\n").append(tag.call_id);
  return base64(text);
}

std::string write_issuer_tag(const Candidate& candidate, std::string_view call_id) {
  return write_issuer_tag(IssuerTag{candidate.provider, candidate.family, std::string{call_id}});
}

std::optional<IssuerTag> read_issuer_tag(std::string_view token) {
  if (!token.starts_with(token_head) || token.size() > token_bytes_max) return std::nullopt;
  const std::string text = from_base64(token);
  if (!std::string_view{text}.starts_with(mark)) return std::nullopt;
  const std::size_t first = text.find('\n');
  const std::size_t second = first == std::string::npos ? first : text.find('\n', first + 1);
  if (second == std::string::npos) return std::nullopt;
  return IssuerTag{text.substr(mark.size(), first - mark.size()),
                   text.substr(first + 1, second - first - 1), text.substr(second + 1)};
}

}  // namespace turnpike::dialect
