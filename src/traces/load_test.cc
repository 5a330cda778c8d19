#include "traces/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

namespace plimsoll::traces {
namespace {

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(packed.size() - stream.avail_out);
  deflateEnd(&stream);
  return packed;
}

class Load : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "plimsoll_load_test_" + std::to_string(::getpid());
    std::filesystem::create_directories(folder_ + "/inside");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, std::string_view bytes) {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
    return folder_ + "/" + name;
  }
  std::string folder_;
};

TEST_F(Load, ReadsPlainAndGzip) {
  const std::string text(200'000, 'q');
  EXPECT_EQ(load(write("a.csv", text)).value(), text);
  EXPECT_EQ(load(write("empty.csv", "")).value(), "");
  EXPECT_EQ(load(write("a.csv.gz", gzip(text))).value(), text);
  EXPECT_EQ(load(write("two.gz", gzip("one ") + gzip("two"))).value(), "one two");
  EXPECT_EQ(load(write("exact.csv", "12345678"), 8).value(), "12345678");
  EXPECT_EQ(load(write("exact.gz", gzip("12345678")), 100).value(), "12345678");
}

TEST_F(Load, RefusesTheRestWithOneLine) {
  const std::string packed = gzip(std::string(200'000, 'q') + "tail");
  std::string corrupt = packed;
  corrupt[corrupt.size() / 2] = static_cast<char>(corrupt[corrupt.size() / 2] ^ 0x55);
  std::string wrong_sum = packed;
  wrong_sum[wrong_sum.size() - 6] = static_cast<char>(wrong_sum[wrong_sum.size() - 6] ^ 1);
  const auto message = [](const std::string& path, std::size_t most = load_bytes_max) {
    const auto bytes = load(path, most);
    return bytes ? "read " + std::to_string(bytes->size()) + " bytes" : bytes.error().message;
  };
  const auto at = [&](const char* name) { return folder_ + "/" + name; };
  EXPECT_EQ(message(at("none.csv")),
            at("none.csv") +
                ": found 'No such file or directory' on opening it, expected a readable file");
  EXPECT_EQ(message(at("inside")), at("inside") + ": found a folder, expected a file");
  EXPECT_EQ(message(write("big.csv", "123456789"), 8),
            at("big.csv") + ": found more than 8 bytes, expected at most that");
  EXPECT_EQ(message(write("big.gz", packed), 100'000),
            at("big.gz") + ": found more than 100000 bytes, expected at most that");
  EXPECT_EQ(message(write("plain.gz", "name,n\n")),
            at("plain.gz") + ": found other data, expected gzip data");
  EXPECT_EQ(message(write("empty.gz", "")),
            at("empty.gz") + ": found an empty file, expected gzip data");
  EXPECT_THAT(message(write("cut.gz", packed.substr(0, packed.size() / 2))),
              testing::MatchesRegex(".*cut.gz: found the end of the file after [0-9]+ unpacked "
                                    "bytes, expected the rest of the gzip data"));
  EXPECT_THAT(message(write("nosum.gz", packed.substr(0, packed.size() - 8))),
              testing::HasSubstr("found the end of the file after 200004 unpacked bytes"));
  EXPECT_THAT(message(write("bad.gz", corrupt)), testing::HasSubstr("expected"));
  EXPECT_EQ(message(write("sum.gz", wrong_sum)),
            at("sum.gz") +
                ": found corrupt gzip data after 200004 unpacked bytes (incorrect data check), "
                "expected an intact file");
  EXPECT_THAT(message(write("junk.gz", packed + "junk")),
              testing::HasSubstr("found corrupt gzip data after 200004 unpacked bytes"));
  EXPECT_EQ(load(at("none.csv")).error().code, ErrorCode::bad_input);
}

TEST_F(Load, FindsFoldersAndNames) {
  EXPECT_EQ(data_folder(folder_, "inside"), folder_ + "/inside");
  EXPECT_EQ(data_folder(folder_, "outside"), folder_);
  write("pod_b.csv", "");
  write("pod_a.csv", "");
  write("node.csv", "");
  EXPECT_THAT(list_folder(folder_, "pod_", ".csv").value(), testing::ElementsAre("a", "b"));
  EXPECT_THAT(list_folder(folder_ + "/none", "", "").error().message,
              testing::EndsWith("/none: found 'No such file or directory' on listing it, expected "
                                "a readable folder"));
}

}  // namespace
}  // namespace plimsoll::traces
