#include "engines/placement/value.h"

#include <gtest/gtest.h>

#include <cmath>

namespace plimsoll::placement {
namespace {

TEST(NodeValue, CurvesHoldAtAndBesideEveryPoint) {
  ValueTable table = shipped_table();
  table.cpu = {{3, 100'000}, {0.5, 0.25}};
  table.memory = {{0}, {0}};
  table.exhausted = table.open = table.beta = 0;
  const NodeValue value(table);
  const auto at = [&](std::int64_t millicores) {
    return static_cast<double>(value.node({millicores, 1 << 30, 1000, 1})) / (1 << 20);
  };
  EXPECT_NEAR(at(-5), 0.5, 1e-6);
  EXPECT_NEAR(at(0), 0.5, 1e-6);
  EXPECT_NEAR(at(3), 0.5, 1e-6);
  EXPECT_NEAR(at(50'001), 0.375, 1e-5);
  EXPECT_NEAR(at(99'999), 0.25, 1e-5);
  EXPECT_NEAR(at(100'000), 0.25, 1e-6);
  EXPECT_NEAR(at(1'000'000), 0.25, 1e-6);
  // Just below the end, where the bucket's number may round up.
  const double end =
      static_cast<double>(value.node({std::int64_t{99'999'999}, 1 << 30, 999'999, 1000}));
  EXPECT_TRUE(std::isfinite(end));
}

TEST(ValueTable, ReadsBackAsItWasWritten) {
  ValueTable table = shipped_table();
  table.models = {{"A\"10", 0.1}, {"T4", 1.0 / 3}};
  const auto again = value_table_from_json(to_json(table), "t.json");
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(*again, table);
}

std::string small(std::string_view from = "", std::string_view to = "") {
  std::string text =
      R"({"format":"plimsoll.dev/value-table/v1","gpu":{"free_milli":[0,1000],"wasted":[0,0]},)"
      R"("cpu":{"free_millicores_per_gpu":[0],"wasted":[0]},)"
      R"("memory":{"free_mib_per_gpu":[0],"wasted":[0]},)"
      R"("exhausted":{"wasted":0,"below_millicores":0,"below_mib":0},)"
      R"("open":0,"beta":0,"whole":[],"models":{}})";
  if (!from.empty()) text.replace(text.find(from), from.size(), to);
  return text;
}

TEST(ValueTable, BadTextGetsOneExactLine) {
  EXPECT_TRUE(value_table_from_json(small(), "t.json").has_value());
  const struct {
    std::string text;
    const char* message;
  } cases[] = {
      {"", "t.json:1: found Empty: no JSON found, expected JSON"},
      {"[1]", "t.json:1: found [1], expected an object"},
      {small("/v1", "/v2"),
       "t.json:1: format: found \"plimsoll.dev/value-table/v2\", expected "
       "\"plimsoll.dev/value-table/v1\""},
      {small("\"open\":0,", ""), "t.json:1: open: found nothing, expected this field"},
      {small("\"beta\":0", "\"open\":1"), "t.json:1: open: found twice, expected once"},
      {small("\"beta\"", "\"bta\""),
       "t.json:1: bta: found an unknown field, expected one of: format, gpu, cpu, memory, "
       "exhausted, "
       "open, beta, whole, models"},
      {small("[0,1000]", "[0,999]"),
       "t.json:1: gpu.free_milli: found [0,999], expected a list from 0 to 1000"},
      {small("[0,1000]", "[0,0,1000]"),
       "t.json:1: gpu.free_milli[1]: found 0, expected more than 0"},
      {small("[0,1000]", "[0,1001]"),
       "t.json:1: gpu.free_milli[1]: found 1001, expected a whole number from 0 to 1000"},
      {small("[0,0]", "[0]"), "t.json:1: gpu.wasted: found 1 numbers, expected 2"},
      {small("[0,0]", "[0,\"a\"]"),
       "t.json:1: gpu.wasted[1]: found \"a\", expected a number from -1000 to 1000"},
      {small("\"open\":0", "\"open\":1e4"),
       "t.json:1: open: found 10000.0, expected a number from -1000 to 1000"},
      {small("\"whole\":[]", "\"whole\":{}"),
       "t.json:1: whole: found {}, expected a list of at most 1001 numbers"},
      {small("{}}", "{\"T4\":1,\"T4\":2}}"), "t.json:1: models.T4: found twice, expected once"},
      {small("{\"free_millicores_per_gpu\":[0],\"wasted\":[0]}", "7"),
       "t.json:1: cpu: found 7, expected an object"},
      {small("[0],\"wasted\":[0]", "[],\"wasted\":[]"),
       "t.json:1: cpu.free_millicores_per_gpu: found 0 numbers, expected at least one"},
  };
  for (const auto& c : cases) {
    const auto table = value_table_from_json(c.text, "t.json");
    ASSERT_FALSE(table.has_value()) << c.text;
    EXPECT_EQ(table.error().code, ErrorCode::bad_input);
    EXPECT_EQ(table.error().message, c.message);
  }
}

TEST(Value, AMistakeNamesItsLine) {
  const std::string good = to_json(ValueTable{.knots = {0, 1000},
                                              .h = {0, 0},
                                              .cpu = {{0}, {0}},
                                              .memory = {{0}, {0}},
                                              .models = {{"T4", 1}}});
  ASSERT_TRUE(value_table_from_json(good, "t.json").has_value()) << good;
  const struct {
    const char* from;
    const char* to;
    const char* begins;
  } cases[] = {
      {"\"beta\": 0", "\"beta\": \"x\"", "t.json:11: beta: found \"x\""},
      {"\"wasted\": [0]", "\"wasted\": [7000]", "t.json:6: cpu.wasted[0]: found 7000"},
      {"\"beta\": 0", "\"beta\" 0", "t.json:11: found "},
      {"\"T4\": 1}", "\"T4\": 1,}", "t.json:13: found "},
      {"\"T4\": 1}\n}", "\"T4", "t.json:13: found "},
      {"\"open\": 0", "\"open\": nil", "t.json:10: found "},
  };
  for (const auto& c : cases) {
    std::string text = good;
    const std::size_t at = text.find(c.from);
    ASSERT_NE(at, std::string::npos) << c.from << good;
    text.replace(at, std::string(c.from).size(), c.to);
    const auto table = value_table_from_json(text, "t.json");
    ASSERT_FALSE(table.has_value()) << text;
    EXPECT_TRUE(table.error().message.starts_with(c.begins)) << table.error().message;
  }
}

}  // namespace
}  // namespace plimsoll::placement
