// Incremental SHA-256 (FIPS 180-4), over OpenSSL's EVP interface.
//
// Feed it with update(), read it with hex() or digest() at any point: both finalise a copy, so that
// more may follow. Owned by one caller; not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace plimsoll {

class Sha256 {
 public:
  Sha256();
  Sha256(const Sha256& other);  // forks the stream
  Sha256& operator=(const Sha256& other);
  Sha256(Sha256&&) noexcept = default;
  Sha256& operator=(Sha256&&) noexcept = default;
  ~Sha256() = default;

  void update(std::string_view bytes);
  void update(std::span<const std::byte> bytes);
  void update(std::span<const std::uint8_t> bytes);

  // The 32 bytes of the hash of everything fed so far.
  [[nodiscard]] std::array<std::uint8_t, 32> digest() const;
  // The same as 64 lower-case hexadecimal digits.
  [[nodiscard]] std::string hex() const;

 private:
  struct Free {
    void operator()(void* context) const;
  };
  std::unique_ptr<void, Free> context_;
};

// The hash of one piece of bytes, as hex().
std::string sha256_hex(std::string_view bytes);

}  // namespace plimsoll
