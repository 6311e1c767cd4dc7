#include "account/key_ring.hpp"

#include <atomic>
#include <cstring>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

namespace turnpike::account {

namespace {

constexpr std::string_view prefix = "tp_";
constexpr std::string_view base32 = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t id_characters = 12;      // 60 bits
constexpr std::size_t secret_characters = 39;  // 195 bits
constexpr std::size_t key_bytes_max = 128;     // longer ones are not ours and not worth a hash

/// HMAC-SHA256 whose key is set once: computing starts from the keyed state.
class Hmac {
 public:
  explicit Hmac(std::string_view key) {
    auto* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    context_ = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    std::array<char, 7> digest{"SHA256"};
    const std::array<OSSL_PARAM, 2> parameters{
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_end()};
    EVP_MAC_init(context_, reinterpret_cast<const unsigned char*>(key.data()), key.size(),
                 parameters.data());
  }
  ~Hmac() { EVP_MAC_CTX_free(context_); }
  Hmac(const Hmac&) = delete;
  Hmac& operator=(const Hmac&) = delete;

  KeyMac operator()(std::string_view message) {
    KeyMac result{};
    std::size_t length = 0;
    const bool done =
        EVP_MAC_init(context_, nullptr, 0, nullptr) == 1 &&
        EVP_MAC_update(context_, reinterpret_cast<const unsigned char*>(message.data()),
                       message.size()) == 1 &&
        EVP_MAC_final(context_, result.data(), &length, result.size()) == 1 &&
        length == result.size();
    // A digest that could not be computed must not equal one that is stored: random bytes do not.
    if (!done) RAND_bytes(result.data(), static_cast<int>(result.size()));
    return result;
  }

 private:
  EVP_MAC_CTX* context_ = nullptr;
};

/// One keyed context per thread, keyed anew when the pepper is another one (tests; a gateway has
/// one pepper).
KeyMac mac_of(const std::string& pepper, std::string_view secret) {
  struct PerThread {
    std::string pepper;
    std::unique_ptr<Hmac> hmac;
  };
  thread_local PerThread mine;
  if (!mine.hmac || mine.pepper != pepper) {
    mine.hmac = std::make_unique<Hmac>(pepper);
    mine.pepper = pepper;
  }
  return (*mine.hmac)(secret);
}

struct KeyParts {
  std::string_view id;
  std::string_view secret;
};

std::optional<KeyParts> split(std::string_view key) {
  if (key.size() > key_bytes_max || !key.starts_with(prefix)) return std::nullopt;
  key.remove_prefix(prefix.size());
  const auto middle = key.find('_');
  if (middle == std::string_view::npos) return std::nullopt;
  return KeyParts{key.substr(0, middle), key.substr(middle + 1)};
}

/// The credential in one header field; empty if this field holds none.
std::string_view credential_in(std::string_view name, std::string_view value) {
  if (name == "x-api-key" || name == "x-goog-api-key" || name == "api-key") return value;
  if (name != "authorization") return {};
  constexpr std::string_view scheme = "bearer ";
  if (value.size() < scheme.size()) return value;
  for (std::size_t i = 0; i < scheme.size(); ++i) {
    const char lower =
        value[i] >= 'A' && value[i] <= 'Z' ? static_cast<char>(value[i] - 'A' + 'a') : value[i];
    if (lower != scheme[i])
      return value;  // another scheme: no key of ours, but not "no credential" either
  }
  value.remove_prefix(scheme.size());
  while (value.starts_with(' ')) value.remove_prefix(1);
  return value;
}

std::string random_text(const std::uint8_t* random, std::size_t characters) {
  std::string text;
  for (std::size_t i = 0; i < characters; ++i) text += base32[random[i] & 31U];
  return text;
}

}  // namespace

std::shared_ptr<const Account> anonymous_account() {
  static const auto account = [] {
    auto made = std::make_shared<Account>();
    made->key_id = "anonymous";
    made->key_name = "anonymous";
    made->org = "anonymous";
    return std::shared_ptr<const Account>{made};
  }();
  return account;
}

Error invalid_api_key() {
  auto error = client_error(
      "invalid_api_key",
      "the API key is missing or not valid; send a turnpike key (tp_...) as Authorization: "
      "Bearer, x-api-key or x-goog-api-key",
      {}, 401);
  error.should_retry = false;
  return error;
}

Result<std::string_view> find_credential(const HeaderList& headers) {
  std::string_view found;
  for (const auto& [name, value] : headers) {
    const auto credential = credential_in(name, value);
    if (credential.empty() || credential == found) continue;
    if (!found.empty()) {
      auto error =
          client_error("conflicting_credentials",
                       "the request carries different API keys in different headers; send one");
      error.should_retry = false;
      return std::unexpected{error};
    }
    found = credential;
  }
  return found;
}

KeyRing::KeyRing(Secret pepper, const std::vector<KeyInfo>& keys, bool allow_anonymous)
    : pepper_(std::move(pepper)), allow_anonymous_(allow_anonymous) {
  for (const auto& key : keys) {
    if (key.revoked || key.disabled) continue;
    keys_.insert_or_assign(key.account.key_id,
                           Held{std::make_shared<const Account>(key.account), key.mac, key.expires,
                                key.previous_mac, key.previous_until});
  }
}

Result<std::shared_ptr<const Account>> KeyRing::authenticate(const HeaderList& headers,
                                                             Instant now) const {
  const auto credential = find_credential(headers);
  if (!credential) return std::unexpected{credential.error()};
  // Harnesses insist on sending some key; where strangers are welcome, one that is not ours counts
  // as none.
  if (allow_anonymous_ && !credential->starts_with(prefix)) return anonymous_account();
  const auto parts = split(*credential);
  if (!parts) return std::unexpected{invalid_api_key()};
  const auto held = keys_.find(parts->id);
  // Unknown ids cost the same hash, so that time does not tell which ids exist.
  const auto mac = mac_of(pepper_.reveal(), parts->secret);
  if (held == keys_.end()) return std::unexpected{invalid_api_key()};
  const auto& key = held->second;
  bool matches = CRYPTO_memcmp(mac.data(), key.mac.data(), mac.size()) == 0;
  if (key.previous_mac && key.previous_until && now < *key.previous_until) {
    matches |= CRYPTO_memcmp(mac.data(), key.previous_mac->data(), mac.size()) == 0;
  }
  if (!matches || (key.expires && now >= *key.expires)) return std::unexpected{invalid_api_key()};
  return key.account;
}

Result<KeyRing::Minted> KeyRing::mint(const Secret& pepper) { return mint_again(pepper, {}); }

Result<KeyRing::Minted> KeyRing::mint_again(const Secret& pepper, std::string_view id) {
  std::array<std::uint8_t, id_characters + secret_characters> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) {
    return std::unexpected{
        gateway_error(500, "no_randomness", "the system's random source failed; no key was made")};
  }
  Minted minted;
  minted.id = id.empty() ? random_text(random.data(), id_characters) : std::string{id};
  auto secret = random_text(random.data() + id_characters, secret_characters);
  minted.mac = mac_of(pepper.reveal(), secret);
  minted.key = Secret{std::string{prefix} + minted.id + "_" + secret};
  OPENSSL_cleanse(secret.data(), secret.size());
  OPENSSL_cleanse(random.data(), random.size());
  return minted;
}

}  // namespace turnpike::account
