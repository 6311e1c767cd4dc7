// Self-signed certificates made on the spot, in files of their own that vanish with the object.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace turnpike::test {

class TestCertificate {
 public:
  /// `names` as in a subjectAltName extension: "IP:127.0.0.1,DNS:localhost".
  /// Valid from an hour ago for `lifetime_s` from now; negative: it has expired.
  explicit TestCertificate(const std::string& names, long lifetime_s = 24L * 3600) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{EVP_EC_gen("P-256"),
                                                                  &EVP_PKEY_free};
    const std::unique_ptr<X509, decltype(&X509_free)> certificate{X509_new(), &X509_free};
    X509* x509 = certificate.get();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x509), lifetime_s);
    X509_set_pubkey(x509, key.get());
    auto* subject = X509_get_subject_name(x509);
    const std::string common_name = "turnpike test";
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(common_name.data()), -1, -1,
                               0);
    X509_set_issuer_name(x509, subject);
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, x509, x509, nullptr, nullptr, 0);
    auto* extension = X509V3_EXT_conf_nid(nullptr, &context, NID_subject_alt_name, names.c_str());
    if (extension == nullptr) throw std::runtime_error{"subjectAltName " + names};
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
    if (X509_sign(x509, key.get(), EVP_sha256()) == 0) throw std::runtime_error{"X509_sign"};
    write(certificate_file_, [&](FILE* file) { PEM_write_X509(file, x509); });
    write(key_file_, [&](FILE* file) {
      PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }
  TestCertificate(const TestCertificate&) = delete;
  TestCertificate& operator=(const TestCertificate&) = delete;
  ~TestCertificate() {
    std::error_code ignored;
    std::filesystem::remove(certificate_file_, ignored);
    std::filesystem::remove(key_file_, ignored);
  }

  [[nodiscard]] const std::string& certificate_file() const { return certificate_file_; }
  [[nodiscard]] const std::string& key_file() const { return key_file_; }

 private:
  template <typename Writer>
  static void write(std::string& path, Writer writer) {
    path = (std::filesystem::temp_directory_path() / "turnpike-test-XXXXXX").string();
    const int descriptor = ::mkstemp(path.data());
    FILE* file = descriptor < 0 ? nullptr : ::fdopen(descriptor, "w");
    if (file == nullptr) throw std::runtime_error{"cannot write " + path};
    writer(file);
    std::fclose(file);
  }

  std::string certificate_file_;
  std::string key_file_;
};

}  // namespace turnpike::test
