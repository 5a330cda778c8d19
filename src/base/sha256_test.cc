#include "base/sha256.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"

namespace plimsoll {
namespace {

TEST(Sha256, KnownAnswers) {  // FIPS 180-4's examples and NIST's long message
  const struct {
    std::string text;
    const char* hex;
  } cases[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(1'000'000, 'a'),
       "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(sha256_hex(c.text), c.hex);
  }
}

TEST(Sha256, PiecesMakeTheWholeAndReadingDoesNotEndIt) {
  Random random(5);
  std::string text;
  for (int i = 0; i < 1000; ++i) {
    text += static_cast<char>(random.below(256));
  }
  Sha256 hash;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t size = std::min<std::size_t>(random.below(100), text.size() - at);
    hash.update(std::string_view(text).substr(at, size));
    at += size;
    EXPECT_EQ(hash.hex(), sha256_hex(text.substr(0, at)));
  }
}

TEST(Sha256, ACopyIsAForkAndEveryKindOfBytesIsTheSame) {
  Sha256 left;
  left.update("ab");
  Sha256 right(left);
  left.update("c");
  right.update("x");
  EXPECT_EQ(left.hex(), sha256_hex("abc"));
  EXPECT_EQ(right.hex(), sha256_hex("abx"));
  right = left;
  const std::uint8_t bytes[] = {'d', 'e'};
  right.update(std::span<const std::uint8_t>(bytes));
  right.update(std::as_bytes(std::span<const char>("f", 1)));
  EXPECT_EQ(right.hex(), sha256_hex("abcdef"));
  EXPECT_EQ(left.hex(), sha256_hex("abc"));
}

}  // namespace
}  // namespace plimsoll
