#include "kube/client/x509.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>

#include "kube/client/timestamp.h"

namespace plimsoll::kube {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> bio_of(std::string_view text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

Owned<X509> first_certificate(std::string_view pem) {
  const Owned<BIO> bio = bio_of(pem);
  Owned<X509> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

// Keys that need a passphrase are refused: nobody is there to type it.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) { return -1; }

std::int64_t unix_us_of(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return static_cast<std::int64_t>(timegm(&parts)) * 1'000'000;
}

}  // namespace

Result<void> check_certificates(std::string_view pem) {
  if (first_certificate(pem) == nullptr) {
    return bad_input("found no certificate, expected one in PEM");
  }
  return {};
}

Result<void> check_certificate_and_key(std::string_view certificate_pem, std::string_view key_pem,
                                       std::int64_t unix_us) {
  TRY_VOID(check_certificates(certificate_pem));
  const Owned<X509> certificate = first_certificate(certificate_pem);
  const Owned<BIO> bio = bio_of(key_pem);
  const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &no_passphrase, nullptr));
  const bool matches = key != nullptr && X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  if (key == nullptr) {
    return bad_input("found no private key, expected one in PEM without a passphrase");
  }
  if (!matches) {
    return bad_input("found a private key that is not the certificate's, expected its own");
  }
  const std::int64_t from = unix_us_of(X509_get0_notBefore(certificate.get()));
  const std::int64_t until = unix_us_of(X509_get0_notAfter(certificate.get()));
  if (unix_us > until) {
    return bad_input(
        fmt::format("found a client certificate that expired at {}, expected a valid one: renew it",
                    format_time(until)));
  }
  if (unix_us < from) {
    return bad_input(fmt::format(
        "found a client certificate that is valid from {}, expected one that is valid now: is this "
        "machine's clock right?",
        format_time(from)));
  }
  return {};
}

}  // namespace plimsoll::kube
