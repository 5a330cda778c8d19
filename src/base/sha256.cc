#include "base/sha256.h"

#include <openssl/evp.h>

#include "base/result.h"

namespace plimsoll {
namespace {

EVP_MD_CTX* handle(void* context) { return static_cast<EVP_MD_CTX*>(context); }

void* new_context() {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  check(context != nullptr, "OpenSSL gave no digest context");
  return context;
}

}  // namespace

void Sha256::Free::operator()(void* context) const { EVP_MD_CTX_free(handle(context)); }

Sha256::Sha256() : context_(new_context()) {
  check(EVP_DigestInit_ex(handle(context_.get()), EVP_sha256(), nullptr) == 1,
        "OpenSSL has no SHA-256");
}

Sha256::Sha256(const Sha256& other) : context_(new_context()) {
  check(EVP_MD_CTX_copy_ex(handle(context_.get()), handle(other.context_.get())) == 1,
        "OpenSSL cannot copy a SHA-256 state");
}

Sha256& Sha256::operator=(const Sha256& other) {
  if (this != &other) {
    *this = Sha256(other);
  }
  return *this;
}

void Sha256::update(std::string_view bytes) {
  check(EVP_DigestUpdate(handle(context_.get()), bytes.data(), bytes.size()) == 1,
        "OpenSSL cannot update a SHA-256");
}

void Sha256::update(std::span<const std::byte> bytes) {
  update(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void Sha256::update(std::span<const std::uint8_t> bytes) { update(std::as_bytes(bytes)); }

std::array<std::uint8_t, 32> Sha256::digest() const {
  const Sha256 copy(*this);
  std::array<std::uint8_t, 32> result{};
  unsigned size = 0;
  check(EVP_DigestFinal_ex(handle(copy.context_.get()), result.data(), &size) == 1 &&
            size == result.size(),
        "OpenSSL cannot finalise a SHA-256");
  return result;
}

std::string Sha256::hex() const {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(64);
  for (const std::uint8_t byte : digest()) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

}  // namespace plimsoll
