#include "upstream/trust_domain.hpp"

#include <openssl/ssl.h>

#include <new>
#include <utility>

namespace turnpike::upstream {

TrustDomain::TrustDomain(std::string ca_file, const CurlLimits& limits)
    : configured_ca_file_(ca_file),
      ca_file_(std::move(ca_file)),
      limits_(limits),
      share_(curl_share_init()) {
  if (!share_) throw std::bad_alloc{};
  // A new connection of any handle resumes the session of any other; 7.88 would keep sessions per
  // handle.
  curl_share_setopt(share_.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
  // One DNS cache for all multis. Connections are not shared: that would bring the linear lookup
  // back.
  curl_share_setopt(share_.get(), CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
}

std::unique_ptr<EasyHandle> TrustDomain::take() {
  if (!idle_.empty()) {
    auto handle = std::move(idle_.back());
    idle_.pop_back();
    handle->error[0] = '\0';
    return handle;
  }
  auto handle = std::make_unique<EasyHandle>();
  handle->easy.reset(curl_easy_init());
  if (!handle->easy) throw std::bad_alloc{};
  configure(*handle);
  return handle;
}

void TrustDomain::give_back(std::unique_ptr<EasyHandle> handle) {
  if (idle_.size() < limits_.idle_handles_max) idle_.push_back(std::move(handle));
}

X509_STORE* TrustDomain::store() {
  if (store_) return store_.get();
  std::unique_ptr<X509_STORE, X509StoreFree> fresh{X509_STORE_new()};
  if (!fresh || X509_STORE_load_file(fresh.get(), ca_file_.c_str()) != 1) return nullptr;
  // As libcurl sets up its own: an intermediate in the file is an anchor too.
  X509_STORE_set_flags(fresh.get(), X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
  store_ = std::move(fresh);
  return store_.get();
}

CURLcode TrustDomain::set_up(void* ssl_context) {
  auto* trusted = store();
  if (trusted == nullptr) return CURLE_SSL_CACERT_BADFILE;
  auto* ssl = static_cast<SSL_CTX*>(ssl_context);
  SSL_CTX_set1_cert_store(ssl, trusted);
  // libcurl sets one when SSLKEYLOGFILE is in the environment; session keys never leave this
  // process.
  SSL_CTX_set_keylog_callback(ssl, nullptr);
  return CURLE_OK;
}

// Everything that is the same for every call. Nothing may come from the environment or the user's
// files.
void TrustDomain::configure(EasyHandle& handle) {
  CURL* easy = handle.easy.get();
  if (ca_file_.empty()) {
    const char* built_in = nullptr;
    curl_easy_getinfo(easy, CURLINFO_CAINFO, &built_in);
    if (built_in != nullptr) ca_file_ = built_in;
  }
  // No CA file and no CA path for libcurl itself: it would read them for every connection or every
  // multi. Verification stays on; each call's handshake callback brings the store by set_up().
  curl_easy_setopt(easy, CURLOPT_CAINFO, nullptr);
  curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_SHARE, share_.get());

  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");  // empty keeps http_proxy and its kin out too
  curl_easy_setopt(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "turnpike");

  // Any value switches libcurl's decoders on, so a gzip body nobody asked for arrives decoded.
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "identity");
  curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, static_cast<long>(limits_.receive_buffer_bytes));
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);  // a model may think in silence for minutes
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 45L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 15L);
  // Spares two system calls per event. The process must ignore SIGPIPE.
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  // A call that is called off during a stalled name lookup leaves the resolver thread behind
  // instead of joining it.
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, handle.error.data());
}

}  // namespace turnpike::upstream
