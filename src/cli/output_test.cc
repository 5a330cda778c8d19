#include "cli/output.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace plimsoll::cli {
namespace {

StudyResult two_policies() {
  const auto run = [](std::uint64_t seed, double allocation, double placed) {
    return Run{.seed = seed,
               .metrics = {{"gpu_allocation_percent", allocation}, {"placed", placed}},
               .wall_seconds = 0.25,
               .plan_sha256 = "ab" + std::to_string(seed)};
  };
  return {.study = "openb",
          .variant = "default",
          .policies = {{"fgd", {run(42, 95.25, 8000), run(43, 95.75, 8002)}},
                       {"plimsoll", {run(42, 96.5, 8100), run(43, 96.5, 8100)}}}};
}

TEST(Output, Json) {
  EXPECT_EQ(to_json(two_policies()),
            R"({"study":"openb","variant":"default","policies":[{"policy":"fgd","mean":{)"
            R"("gpu_allocation_percent":95.5,"placed":8001},"sd":{)"
            R"("gpu_allocation_percent":0.3535533905932738,"placed":1.4142135623730951},"runs":[)"
            R"({"seed":42,"gpu_allocation_percent":95.25,"placed":8000,"wall_seconds":0.25,)"
            R"("plan_sha256":"ab42"},{"seed":43,"gpu_allocation_percent":95.75,"placed":8002,)"
            R"("wall_seconds":0.25,"plan_sha256":"ab43"}]},{"policy":"plimsoll","mean":{)"
            R"("gpu_allocation_percent":96.5,"placed":8100},"sd":{"gpu_allocation_percent":0,)"
            R"("placed":0},"runs":[{"seed":42,"gpu_allocation_percent":96.5,"placed":8100,)"
            R"("wall_seconds":0.25,"plan_sha256":"ab42"},{"seed":43,"gpu_allocation_percent":96.5,)"
            R"("placed":8100,"wall_seconds":0.25,"plan_sha256":"ab43"}]}]})"
            "\n");
}

TEST(Output, ComparesWithTheBestOfTheOthersRunByRun) {
  StudyResult result = two_policies();
  result.policies.push_back(result.policies[0]);
  result.policies.back().policy = "other";
  result.policies.back().runs[0].metrics[1].second = 1;  // the least mean of `placed`
  const auto comparison = compare_to_best(result, "plimsoll", "placed");
  ASSERT_TRUE(comparison.has_value());
  EXPECT_EQ(comparison->against, "other");
  EXPECT_DOUBLE_EQ(comparison->percent.mean, (809900 + 100 * (8100.0 / 8002 - 1)) / 2);
  result.comparisons = {{"plimsoll", "fgd", "placed", {2, -1.25, -2, -0.5}}};
  EXPECT_NE(to_json(result).find(R"("comparisons":[{"policy":"plimsoll","against":"fgd",)"
                                 R"("metric":"placed","percent":-1.25,"percent_low":-2,)"
                                 R"("percent_high":-0.5}])"),
            std::string::npos);
  EXPECT_NE(to_table(result).find("\nplaced: plimsoll -1.2 % against fgd (95 % interval -2.0 to "
                                  "-0.5, 2 pairs)\n"),
            std::string::npos);

  EXPECT_FALSE(compare_to_best(result, "absent", "placed").has_value());
  result.policies.resize(1);
  EXPECT_FALSE(compare_to_best(result, "fgd", "placed").has_value());
}

TEST(Output, Yaml) {
  StudyResult result = two_policies();
  result.policies.erase(result.policies.begin() + 1);
  result.policies[0].policy = "it's \"x\": y";
  EXPECT_EQ(to_yaml(result), R"(study: "openb"
variant: "default"
policies:
  - policy: "it's \"x\": y"
    mean:
      gpu_allocation_percent: 95.5
      placed: 8001
    sd:
      gpu_allocation_percent: 0.3535533905932738
      placed: 1.4142135623730951
    runs:
      - seed: 42
        gpu_allocation_percent: 95.25
        placed: 8000
        wall_seconds: 0.25
        plan_sha256: "ab42"
      - seed: 43
        gpu_allocation_percent: 95.75
        placed: 8002
        wall_seconds: 0.25
        plan_sha256: "ab43"
)");
}

TEST(Output, Table) {
  EXPECT_EQ(to_table(two_policies()), R"(openb default, 2 runs a policy

metric                             fgd    plimsoll
gpu_allocation_percent  95.500 ± 0.354  96.500 ± 0
placed                    8001 ± 1.414    8100 ± 0
)");
}

TEST(Output, NumbersThatJsonCannotSayAreNull) {
  StudyResult result = two_policies();
  result.policies[0].runs.resize(1);
  result.policies[0].runs[0].metrics[0].second = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(to_json(result).find(R"("gpu_allocation_percent":null,"placed":8000)"),
            std::string::npos);
}

TEST(Output, PlacementsQuoteWhatCsvNeedsQuoted) {
  StudyResult result = two_policies();
  result.policies[0].runs[0].placements = {
      {"pod-1", "node-7", {0, 3}}, {"a,\"b\"", "", {}}, {"cpu", "node-1", {}}};
  EXPECT_EQ(placements_csv(result),
            "policy,seed,order,pod,node,gpus\nfgd,42,0,pod-1,node-7,0|3\n"
            "fgd,42,1,\"a,\"\"b\"\"\",,\nfgd,42,2,cpu,node-1,\n");
}

TEST(Output, FilesAreWholeOrAbsent) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("plimsoll_output." + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  const std::string path = folder / "result.json";
  ASSERT_TRUE(write_file(path, "old"));
  ASSERT_TRUE(write_file(path, "new text"));
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), "new text");
  const auto missing = write_file(folder / "absent" / "x", "a");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message,
            (folder / "absent" / "x").string() + ": cannot write: No such file or directory");
  // A directory cannot be replaced: the temporary file must not stay behind.
  std::filesystem::create_directory(folder / "taken");
  ASSERT_FALSE(write_file(folder / "taken", "a"));
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) {
    ++files;
  }
  EXPECT_EQ(files, 2U);
  // What a long run would find at its end is known before.
  EXPECT_TRUE(check_writable(""));
  EXPECT_TRUE(check_writable("/dev/null"));
  EXPECT_TRUE(check_writable(path));
  EXPECT_TRUE(check_writable(folder / "new"));
  EXPECT_EQ(check_writable(folder / "absent" / "x").error(), missing.error());
  EXPECT_FALSE(check_writable(folder / "taken"));
  std::filesystem::remove_all(folder);
}

TEST(WriteFile, FollowsALinkAndWritesToAPipeAsItIs) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("plimsoll_links." + std::to_string(::getpid()));
  std::filesystem::create_directory(folder);
  ASSERT_TRUE(write_file(folder / "real", "old"));
  std::filesystem::create_symlink("real", folder / "link");
  ASSERT_TRUE(write_file(folder / "link", "new"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  std::ostringstream text;
  text << std::ifstream(folder / "real").rdbuf();
  EXPECT_EQ(text.str(), "new");

  const std::string pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  ASSERT_TRUE(write_file(pipe, "whole"));
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  std::string got(16, '\0');
  ASSERT_EQ(::read(reader, got.data(), got.size()), 5);
  EXPECT_EQ(got.substr(0, 5), "whole");
  ::close(reader);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace plimsoll::cli
