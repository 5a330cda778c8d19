// Certificates for tests: authorities and what they sign, made on the spot. For tests only.
#pragma once

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <string>

#include "base/result.h"

namespace plimsoll::kube {

struct CertificateRequest {
  std::string name;   // CN
  std::string names;  // subjectAltName: "DNS:a,IP:127.0.0.1"; empty: none
  bool authority = false;
  long valid_from_s = -3600;  // relative to now
  long valid_until_s = 3600;
};

class TestCertificate {
 public:
  // Signed by `issuer`, or by itself.
  explicit TestCertificate(const CertificateRequest& request,
                           const TestCertificate* issuer = nullptr)
      : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    static long serial = 1;
    X509_set_version(certificate_, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate_), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate_), request.valid_from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate_), request.valid_until_s);
    X509_set_pubkey(certificate_, key_);
    X509_NAME* subject = X509_get_subject_name(certificate_);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(request.name.c_str()), -1, -1,
                               0);
    X509* by = issuer != nullptr ? issuer->certificate_ : certificate_;
    X509_set_issuer_name(certificate_, X509_get_subject_name(by));
    extend(NID_basic_constraints, request.authority ? "critical,CA:TRUE" : "CA:FALSE", by);
    if (!request.names.empty()) {
      extend(NID_subject_alt_name, request.names, by);
    }
    check(X509_sign(certificate_, issuer != nullptr ? issuer->key_ : key_, EVP_sha256()) > 0,
          "signing a test certificate");
  }
  ~TestCertificate() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
  }
  TestCertificate(const TestCertificate&) = delete;
  TestCertificate& operator=(const TestCertificate&) = delete;

  [[nodiscard]] std::string pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate_);
    return taken(bio);
  }
  [[nodiscard]] std::string key_pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key_, nullptr, nullptr, 0, nullptr, nullptr);
    return taken(bio);
  }

 private:
  void extend(int kind, const std::string& value, X509* issuer) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate_, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    X509_add_ext(certificate_, extension, -1);
    X509_EXTENSION_free(extension);
  }
  static std::string taken(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
  }

  EVP_PKEY* key_;
  X509* certificate_;
};

}  // namespace plimsoll::kube
