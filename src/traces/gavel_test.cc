#include "traces/gavel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace plimsoll::traces {
namespace {

TEST(Gavel, ReadsRatesAndPairs) {
  const std::string text = R"j({
    "v100": {"('B (batch size 2)', 2)": {"null": 1.5},
             "('A', 1)": {"null": 4, "('B (batch size 2)', 2)": [1.25, 0]}},
    "v100_unconsolidated": {"A": {"null": 0.0}}})j";
  const GavelTable table = parse_gavel(text, "t.json").value();
  const GavelHardware& packed = *table.find("v100");
  EXPECT_DOUBLE_EQ(packed.find("A", 1)->rate, 4);
  EXPECT_DOUBLE_EQ(packed.find("B (batch size 2)", 2)->rate, 1.5);
  EXPECT_EQ(packed.find("B (batch size 2)", 1), nullptr);
  const GavelPair& pair = packed.find("A", 1)->pairs.at(0);
  EXPECT_EQ(packed.jobs[pair.other].type, "B (batch size 2)");
  EXPECT_DOUBLE_EQ(pair.own_rate, 1.25);
  EXPECT_DOUBLE_EQ(pair.other_rate, 0);
  EXPECT_DOUBLE_EQ(table.find("v100", false)->find("A", 1)->rate, 0);
  EXPECT_EQ(table.find("k80"), nullptr);
}

TEST(Gavel, RefusesTheRestWithOneLine) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {R"j({"v\u0001\n": 3})j",
       "t.json: v\\x01\\x0a: found a number, expected an object of job types"},
      {"[]", "t.json: JSON: found an array, expected an object of kinds of GPU"},
      {R"j({"v": 3})j", "t.json: v: found a number, expected an object of job types"},
      {R"j({"": {}})j", "t.json: JSON: found an empty name, expected a kind of GPU"},
      {R"j({"v": {}, "v": {}})j", "t.json: JSON: found 'v' twice, expected each kind of GPU once"},
      {R"j({"v": {"A": 1}})j", "t.json: v.A: found a number, expected an object of rates"},
      {R"j({"v": {"": {"null": 1}}})j", "t.json: v: found an empty name, expected a job type"},
      {R"j({"v": {"A": {}}})j",
       "t.json: v.A: found no field 'null', expected the rate of the job alone"},
      {R"j({"v": {"A": {"null": "x"}}})j",
       "t.json: v.A.null: found a string, expected iterations per second"},
      {R"j({"v": {"A": {"null": null}}})j",
       "t.json: v.A.null: found null, expected iterations per second"},
      {R"j({"v": {"A": {"null": -1}}})j",
       "t.json: v.A.null: found -1, expected a number from 0 to 1000000000"},
      {R"j({"v": {"A": {"null": 1, "null": 2}}})j",
       "t.json: v.A.null: found it twice, expected it once"},
      {R"j({"v": {"A": {"null": 1, "B": [1, 2]}}})j",
       "t.json: v.A.B: found no such job, expected a job of this hardware"},
      {R"j({"v": {"A": {"null": 1, "A": [1]}}})j",
       "t.json: v.A.A: found an array, expected an array of two rates"},
      {R"j({"v": {"A": {"null": 1, "A": 7}}})j",
       "t.json: v.A.A: found a number, expected an array of two rates"},
      {R"j({"v": {"A": {"null": 1, "A": [1, 1], "A": [1, 1]}}})j",
       "t.json: v.A.A: found it twice, expected it once"},
      {R"j({"v": {"A": {"null": 1}, "('A', 1)": {"null": 1}}})j",
       "t.json: v: found '('A', 1)' twice, expected each job once"},
      {R"j({"v": {"('A', x)": {"null": 1}}})j",
       "t.json: v: found '('A', x)', expected ('job type', GPUs)"},
      {R"j({"v": {"('A', 0)": {"null": 1}}})j",
       "t.json: v: found '('A', 0)', expected ('job type', GPUs)"},
  };
  for (const auto& [text, message] : table) {
    const auto parsed = parse_gavel(text, "t.json");
    EXPECT_EQ(parsed ? "no error" : parsed.error().message, message) << text;
  }
}

TEST(Gavel, RefusesWhatIsNotJson) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string(R"j({"v": {"A": {"null": NaN}}})j"),
        std::string("\x1f\x8b\x08\x00", 4), std::string("{\"v\xff\": {}}"),
        std::string(R"j({"v": {"A": {"null": 1e999}}})j"), std::string(100'000, '[')}) {
    const auto parsed = parse_gavel(text, "t.json");
    ASSERT_FALSE(parsed.has_value()) << text.substr(0, 40);
    EXPECT_THAT(parsed.error().message,
                testing::MatchesRegex("t.json: JSON: found '.*', expected valid JSON"));
  }
}

TEST(Gavel, TheRealTables) {
  if (!std::filesystem::exists("../shared/data")) {
    GTEST_SKIP() << "../shared/data is absent";
  }
  const GavelTable table = read_gavel("../shared/data", "simulation").value();
  EXPECT_EQ(table.hardware.size(), 6U);
  EXPECT_EQ(table.find("v100")->jobs.size(), 83U);
  EXPECT_EQ(table.find("k80", false)->jobs.size(), 77U);
  EXPECT_GT(table.find("v100")->find("LM (batch size 20)", 8)->rate, 0);
  EXPECT_EQ(read_gavel("../shared/data", "oracle").value().find("p100")->jobs.size(), 26U);
}

}  // namespace
}  // namespace plimsoll::traces
