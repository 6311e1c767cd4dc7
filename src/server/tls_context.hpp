// What a TLS listener shows and accepts: certificate, key, versions, ciphers. Immutable: a reload
// makes a new one, and connections keep the one they began with.
#pragma once

#include <chrono>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>

#include "turnpike/clock.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace turnpike::server {

/// PEM files. The certificate may be followed by its intermediates.
struct TlsFiles {
  std::filesystem::path certificate;
  std::filesystem::path key;        // no passphrase; readable by its owner and group only
  std::filesystem::path client_ca;  // clients must show a certificate of these; empty: no need to
};

/// Why a context could not be made, for the operator.
struct TlsFault {
  std::filesystem::path file;
  std::string reason;
};

/// The listener's own certificate, as operators want to see it.
struct TlsCertificate {
  std::string names;  // "DNS:gateway.example, IP:10.0.0.7"; empty: clients will believe none
  Instant not_before;
  Instant not_after;
  std::string fingerprint;  // SHA-256, lower-case hex
};

class TlsContext {
 public:
  /// TLS 1.2 (ECDHE with AEAD) and 1.3, ALPN http/1.1, session tickets, no early data, no
  /// renegotiation.
  static std::expected<std::shared_ptr<const TlsContext>, TlsFault> load(const TlsFiles& files);

  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  [[nodiscard]] const TlsCertificate& certificate() const { return certificate_; }
  /// The server's end of a new connection, with nothing beneath it yet; null: out of memory. The
  /// caller frees it. Any thread.
  [[nodiscard]] ssl_st* new_connection() const;

 private:
  TlsContext() = default;

  ssl_ctx_st* context_ = nullptr;
  TlsCertificate certificate_;
};

}  // namespace turnpike::server
