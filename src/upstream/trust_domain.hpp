// What calls verified against one CA file share, and calls verified against another must not: the
// certificate store, TLS sessions, DNS answers, and the pool of easy handles that are tied to
// these.
#pragma once

#include <curl/curl.h>
#include <openssl/x509_vfy.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "upstream/curl_upstream.hpp"

namespace turnpike::upstream {

struct CurlEasyCleanup {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct CurlShareCleanup {
  void operator()(CURLSH* share) const { curl_share_cleanup(share); }
};
struct X509StoreFree {
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
};

/// An easy handle with the options that hold for every call, and libcurl's words for its last
/// failure.
struct EasyHandle {
  std::unique_ptr<CURL, CurlEasyCleanup> easy;
  std::array<char, CURL_ERROR_SIZE> error{};
};

/// One per event loop and CA file. libcurl's own cache of the certificate store is per multi and
/// there are many multis; this one store is read once, at the first TLS connection (about 37 ms for
/// Debian's bundle).
class TrustDomain {
 public:
  /// `ca_file` empty: the bundle libcurl was built for.
  TrustDomain(std::string ca_file, const CurlLimits& limits);
  TrustDomain(const TrustDomain&) = delete;
  TrustDomain& operator=(const TrustDomain&) = delete;
  ~TrustDomain() = default;

  /// As given, so possibly empty.
  [[nodiscard]] const std::string& configured_ca_file() const { return configured_ca_file_; }
  /// Never null; throws std::bad_alloc when libcurl has no memory left.
  std::unique_ptr<EasyHandle> take();
  void give_back(std::unique_ptr<EasyHandle> handle);
  /// Brings the certificate store into a connection's SSL_CTX; to be called by each call's own
  /// callback, which libcurl needs for verification to work at all.
  CURLcode set_up(void* ssl_context);

 private:
  X509_STORE* store();
  void configure(EasyHandle& handle);

  std::string configured_ca_file_;
  std::string ca_file_;  // never empty once a handle exists, unless libcurl knows no bundle
  const CurlLimits& limits_;
  std::unique_ptr<X509_STORE, X509StoreFree> store_;
  std::unique_ptr<CURLSH, CurlShareCleanup>
      share_;  // used by one thread only, so it needs no lock functions
  std::vector<std::unique_ptr<EasyHandle>> idle_;  // destroyed before share_, which they point to
};

}  // namespace turnpike::upstream
