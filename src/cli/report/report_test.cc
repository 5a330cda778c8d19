#include "cli/report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/report/data.h"

namespace plimsoll::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

StudyResult small(const std::vector<std::string>& policies) {
  StudyResult result = {.study = "s", .variant = "v"};
  double value = 60;
  for (const std::string& policy : policies) {
    result.policies.push_back(
        {policy,
         {{.seed = 1,
           .metrics = {{"gpu_allocation_percent", value}, {"failed", 0}, {"odd<name>", 2}}}}});
    value += 11.5;
  }
  return result;
}

TEST(Report, NumbersAreInItsText) {
  const std::string page =
      report_html(small({"vanilla", "plimsoll"}), {.title = "T", .command = "plimsoll demo"});
  for (const char* part :
       {"71.5 %", "vanilla: 60.0 %", "+11.5 points, better", "plimsoll demo",
        R"(<td data-metric="gpu_allocation_percent" data-policy="vanilla">60.0 %)"}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
}

TEST(Report, NothingIsLoadedFromAnywhere) {
  const std::string page = report_html(small({"a", "plimsoll"}), {.title = "T"});
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  for (const char* part : {"src=\"", "href=", "url(", "@import", "fetch(", "XMLHttpRequest"}) {
    EXPECT_THAT(page, Not(HasSubstr(part))) << part;
  }
}

TEST(Report, EveryNameIsEscaped) {
  const std::string name = R"(</script><img onerror="x" ' & >)";
  StudyResult result = small({name, "b"});
  Picture picture;
  picture.timelines = {{.name = name, .x = {0}, .y = {1}}};
  picture.nodes = {{.name = name, .gpu_model = name, .gpus = 1}};
  picture.frames = {{.label = name, .used_milli = {500}}};
  result.policies[0].runs[0].picture = picture;
  result.policies[0].runs[0].plan_sha256 = name;
  const std::string page = report_html(result, {.title = name, .subtitle = name, .command = name});
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  EXPECT_THAT(page, HasSubstr("&lt;/script&gt;&lt;img onerror=&quot;x&quot; &#39; &amp; &gt;"));
  EXPECT_EQ(html_escape("<&>\"'a"), "&lt;&amp;&gt;&quot;&#39;a");
}

TEST(Report, ScriptStringsReadBack) {
  const std::string text = "</script>\\\"'\n\x01 é & <!--";
  const std::string json = script_string(text);
  EXPECT_EQ(json.find_first_of("<>&\n"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(json).get<std::string>(), text);
}

TEST(Report, TheDataIsJson) {
  StudyResult result = small({"vanilla", "plimsoll"});
  Picture picture;
  picture.timelines = {{.name = "pending_jobs", .x = {0, 1.23456}, .y = {1, 1e20}}};
  picture.nodes = {{.name = "n", .gpu_model = "T4", .gpus = 2}};
  picture.frames = {{.label = "end", .used_milli = {500, 1000}}};
  for (int i = 1000; i > 0; --i) {
    picture.completion_seconds.push_back(i);
  }
  result.policies[1].runs[0].picture = picture;
  const auto data = nlohmann::json::parse(report_data(result));
  EXPECT_EQ(data["policies"][0]["colour"], 1);
  EXPECT_EQ(data["policies"][1]["colour"], 0);
  EXPECT_EQ(data["policies"][1]["series"]["pending_jobs"]["x"][1], 1.235);
  EXPECT_EQ(data["policies"][1]["heat"]["frames"][0]["used"][1], 1000);
  const auto& curve = data["policies"][1]["jct"];
  ASSERT_EQ(curve["x"].size(), 300U);
  EXPECT_EQ(curve["x"][299], 1000);
  EXPECT_EQ(curve["y"][299], 100);
  EXPECT_EQ(curve["x"][149], 500);
  EXPECT_EQ(curve["y"][149], 50);
}

TEST(Report, HeadlineComparesTheFirstWithPlimsoll) {
  EXPECT_EQ(headline_policies(small({"vanilla", "plimsoll", "fgd"})), std::pair(0UL, 1UL));
  EXPECT_EQ(headline_policies(small({"plimsoll", "vanilla", "fgd"})), std::pair(2UL, 0UL));
  EXPECT_EQ(headline_policies(small({"a", "b"})), std::pair(0UL, 1UL));
  EXPECT_EQ(headline_policies(small({"plimsoll"})), std::pair(0UL, 0UL));
  // A metric that is 0 everywhere says nothing.
  EXPECT_EQ(headline_metrics(small({"a", "b"}), 6),
            (std::vector<std::string>{"gpu_allocation_percent"}));
}

TEST(Report, ManyPoliciesShareTheColours) {
  std::vector<std::string> names;
  for (int i = 0; i < 20; ++i) {
    names.push_back("p" + std::to_string(i));
  }
  const StudyResult result = small(names);
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_GE(policy_colour(result, i), 1U);
    EXPECT_LT(policy_colour(result, i), 8U);
  }
}

}  // namespace
}  // namespace plimsoll::cli
