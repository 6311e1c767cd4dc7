#include "server/tls_context.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <optional>
#include <string_view>
#include <system_error>

namespace turnpike::server {

namespace {

/// Length, then name, as ALPN lists protocols.
constexpr std::array<unsigned char, 9> http_1_1{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
/// Resumption ends after this, so that a certificate that was replaced is not lived on.
constexpr long session_lifetime_s = 2 * 3600;

/// The first thing OpenSSL complained about, which is the cause of the rest.
std::string openssl_reason() {
  const unsigned long code = ERR_peek_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "OpenSSL does not say why" : reason;
}

/// Why the file cannot be read at all; OpenSSL would say it less clearly.
std::optional<TlsFault> unreadable(const std::filesystem::path& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0 || ::access(file.c_str(), R_OK) != 0) {
    return TlsFault{file, std::generic_category().message(errno)};
  }
  if (!S_ISREG(status.st_mode)) return TlsFault{file, "is not a file"};
  return std::nullopt;
}

/// A key that others can read is as good as published.
std::optional<TlsFault> exposed(const std::filesystem::path& key) {
  struct stat status{};
  if (::stat(key.c_str(), &status) != 0)
    return TlsFault{key, std::generic_category().message(errno)};
  if ((status.st_mode & (S_IRWXO | S_IWGRP)) == 0) return std::nullopt;
  return TlsFault{key,
                  "the key may be read by its owner and group only: chmod 640 or stricter "
                  "(Kubernetes: defaultMode: 0440)"};
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_bytes,
                    const unsigned char* offered, unsigned int offered_bytes, void*) {
  unsigned char* match = nullptr;
  if (SSL_select_next_proto(&match, chosen_bytes, http_1_1.data(), http_1_1.size(), offered,
                            offered_bytes) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = match;
  return SSL_TLSEXT_ERR_OK;
}

/// Never asks: a prompt on a terminal would hang a start.
int no_passphrase(char*, int, int, void*) { return -1; }

bool set_rules(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                   SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Idle streams hold no record buffers; what a socket does not take is queued elsewhere and moves.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets only: no state here
  SSL_CTX_set_timeout(context, session_lifetime_s);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  constexpr std::array<unsigned char, 8> scope{'t', 'u', 'r', 'n', 'p', 'i', 'k', 'e'};
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
         SSL_CTX_set_session_id_context(context, scope.data(), scope.size()) == 1;
}

std::optional<TlsFault> use_pair(SSL_CTX* context, const TlsFiles& files) {
  if (auto fault = unreadable(files.certificate)) return fault;
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1)
    return TlsFault{files.certificate, "holds no usable PEM certificate: " + openssl_reason()};
  if (auto fault = unreadable(files.key)) return fault;
  if (auto fault = exposed(files.key)) return fault;
  if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) == 1)
    return std::nullopt;
  if (ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH ||
      ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_TYPE_MISMATCH) {
    ERR_clear_error();
    return TlsFault{files.key,
                    "is not the key of the certificate in " + files.certificate.string()};
  }
  return TlsFault{files.key, "holds no usable PEM key without a passphrase: " + openssl_reason()};
}

std::optional<TlsFault> use_client_ca(SSL_CTX* context, const std::filesystem::path& file) {
  if (file.empty()) return std::nullopt;
  if (auto fault = unreadable(file)) return fault;
  auto* names = SSL_load_client_CA_file(file.c_str());
  if (names == nullptr || SSL_CTX_load_verify_file(context, file.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return TlsFault{file, "holds no usable PEM certificate: " + openssl_reason()};
  }
  SSL_CTX_set_client_CA_list(context, names);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return std::nullopt;
}

Instant instant_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return Instant{};
  return Instant{std::chrono::seconds{::timegm(&parts)}};
}

std::string alternative_names(X509* certificate) {
  const int at = X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1);
  if (at < 0) return {};
  const std::unique_ptr<BIO, decltype(&BIO_free)> text{BIO_new(BIO_s_mem()), &BIO_free};
  if (!text || X509V3_EXT_print(text.get(), X509_get_ext(certificate, at), 0, 0) != 1) return {};
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(text.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

std::string sha256_of(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return {};
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += digits[digest[i] >> 4U];
    text += digits[digest[i] & 15U];
  }
  return text;
}

}  // namespace

std::expected<std::shared_ptr<const TlsContext>, TlsFault> TlsContext::load(const TlsFiles& files) {
  ERR_clear_error();
  const std::shared_ptr<TlsContext> made{new TlsContext};
  made->context_ = SSL_CTX_new(TLS_server_method());
  if (made->context_ == nullptr || !set_rules(made->context_))
    return std::unexpected{
        TlsFault{files.certificate, "TLS is not available: " + openssl_reason()}};
  if (auto fault = use_pair(made->context_, files)) return std::unexpected{std::move(*fault)};
  if (auto fault = use_client_ca(made->context_, files.client_ca))
    return std::unexpected{std::move(*fault)};
  X509* own = SSL_CTX_get0_certificate(made->context_);
  made->certificate_ = {alternative_names(own), instant_of(X509_get0_notBefore(own)),
                        instant_of(X509_get0_notAfter(own)), sha256_of(own)};
  ERR_clear_error();
  return made;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

ssl_st* TlsContext::new_connection() const {
  SSL* connection = SSL_new(context_);
  if (connection != nullptr) SSL_set_accept_state(connection);
  return connection;
}

}  // namespace turnpike::server
