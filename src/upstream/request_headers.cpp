#include "upstream/request_headers.hpp"

#include <cctype>

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>

namespace turnpike::upstream {

namespace {

bool is_token_char(char c) {
  const bool alphanumeric =
      (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return alphanumeric || std::string_view{"!#$%&'*+-.^_`|~"}.contains(c);
}

bool is_token(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, is_token_char);
}

bool is_clean(std::string_view value) {
  return std::ranges::none_of(value, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

Error refused(const Endpoint& endpoint, std::string_view what, std::string_view remedy) {
  return gateway_error(
      500, "bad_request_header",
      fmt::format("{} of provider '{}' holds a byte that cannot stand in a header; {}", what,
                  endpoint.provider, remedy));
}

std::size_t bytes_needed(const Endpoint& endpoint, const HeaderList& further) {
  std::size_t bytes = 128 + endpoint.auth_header.size() + endpoint.auth_prefix.size() +
                      endpoint.key.reveal().size();
  for (const auto& [name, value] : endpoint.headers) bytes += name.size() + value.size() + 4;
  for (const auto& [name, value] : further) bytes += name.size() + value.size() + 4;
  return bytes;
}

}  // namespace

RequestHeaders::~RequestHeaders() { OPENSSL_cleanse(text_.data(), text_.size()); }

namespace {

/// A request's own version of an API counts, not the configured one. Lists (anthropic-beta) add up
/// instead.
bool overridden(std::string_view name, const HeaderList& further) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  };
  const auto equal = [&](std::string_view other) { return std::ranges::equal(name, other, same); };
  if (equal("anthropic-beta")) return false;
  return std::ranges::any_of(further, [&](const auto& field) { return equal(field.first); });
}

}  // namespace

Result<void> RequestHeaders::build(const Endpoint& endpoint, const HeaderList& further) {
  // Reserved in full: a reallocation would leave a copy of the key behind.
  text_.reserve(bytes_needed(endpoint, further));
  add("Content-Type", {}, "application/json");
  // Without a value libcurl leaves the field out: no waiting for 100-continue on bodies over 1 MB.
  starts_.push_back(text_.size());
  text_.append("Expect:").push_back('\0');
  if (!endpoint.auth_header.empty()) {
    const auto& key = endpoint.key.reveal();
    if (!is_token(endpoint.auth_header) || !is_clean(endpoint.auth_prefix) || !is_clean(key)) {
      return std::unexpected{refused(endpoint, "the key or its header",
                                     "check the key's variable for a line break at its end")};
    }
    add(endpoint.auth_header, endpoint.auth_prefix, key);
  }
  for (const auto& [name, value] : endpoint.headers) {
    if (!is_token(name) || !is_clean(value)) {
      return std::unexpected{refused(endpoint, "a configured header", "correct the provider file")};
    }
    if (!overridden(name, further)) add(name, {}, value);
  }
  for (const auto& [name, value] : further) {
    if (!is_token(name) || !is_clean(value)) {
      return std::unexpected{
          refused(endpoint, "a forwarded request header", "the client must leave it out")};
    }
    add(name, {}, value);
  }
  link();
  return {};
}

void RequestHeaders::add(std::string_view name, std::string_view prefix, std::string_view value) {
  starts_.push_back(text_.size());
  text_.append(name);
  if (prefix.empty() && value.empty()) {
    text_.append(";");  // libcurl's spelling of a field that is present and empty
  } else {
    text_.append(": ").append(prefix).append(value);
  }
  text_.push_back('\0');
}

void RequestHeaders::link() {
  nodes_.resize(starts_.size());
  for (std::size_t i = 0; i < starts_.size(); ++i) {
    nodes_[i].data = text_.data() + starts_[i];
    nodes_[i].next = i + 1 < starts_.size() ? &nodes_[i + 1] : nullptr;
  }
}

}  // namespace turnpike::upstream
