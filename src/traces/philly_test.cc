#include "traces/philly.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace plimsoll::traces {
namespace {

const std::string header = "timestamp,duration,num_gpus,gpu_time,cluster\n";

TEST(Philly, SplitsGangsIntoEqualPods) {
  const model::Workload workload = parse_philly(header +
                                                    "2017-10-09 07:01:55,10.5,1,10.5,vc1\n"
                                                    "2017-10-08 07:01:55,1,12,12,vc2\n"
                                                    "2017-10-09 07:01:55,1,24,24,vc2\n"
                                                    "2017-10-09 07:01:55,1,13,13,vc2\n"
                                                    "2017-10-09 07:01:55,1,8,8,vc2\n",
                                                "p.csv")
                                       .value();
  std::vector<std::pair<int, int>> shapes;
  for (const model::Job& job : workload.jobs) {
    shapes.emplace_back(job.members, workload.specs[job.spec.index()].gpu.count);
  }
  EXPECT_THAT(shapes, testing::ElementsAre(std::pair(2, 6), std::pair(1, 1), std::pair(3, 8),
                                           std::pair(13, 1), std::pair(1, 8)));
  EXPECT_EQ(workload.jobs[0].submitted, Time{});
  EXPECT_EQ(workload.jobs[1].submitted, Time(86'400'000'000));
  EXPECT_EQ(workload.jobs[1].duration, seconds(10.5));
  EXPECT_EQ(workload.jobs[1].tenant, "vc1");
  EXPECT_EQ(workload.jobs[1].name, "philly-2");
  EXPECT_EQ(workload.specs.size(), 3U);
}

TEST(Philly, RefusesMalformedRows) {
  const auto time_error = [](const std::string& found) {
    return "p.csv:2: timestamp: found '" + found + "', expected a time like 2017-10-09 07:01:55";
  };
  const std::vector<std::pair<std::string, std::string>> table = {
      {"2017-10-09T07:01:55,1,1,1,v\n", time_error("2017-10-09T07:01:55")},
      {"2017-02-29 07:01:55,1,1,1,v\n", time_error("2017-02-29 07:01:55")},
      {"2017-10-09 24:01:55,1,1,1,v\n", time_error("2017-10-09 24:01:55")},
      {"2017-10-09 -1:01:55,1,1,1,v\n", time_error("2017-10-09 -1:01:55")},
      {"2017-10-09,1,1,1,v\n", time_error("2017-10-09")},
      {",1,1,1,v\n", time_error("")},
      {"2017-10-09 07:01:55,-5,1,1,v\n",
       "p.csv:2: duration: found '-5', expected a number from 0.001 to 1000000000"},
      {"2017-10-09 07:01:55,nan,1,1,v\n",
       "p.csv:2: duration: found 'nan', expected a number from 0.001 to 1000000000"},
      {"2017-10-09 07:01:55,1,0,1,v\n",
       "p.csv:2: num_gpus: found '0', expected an integer from 1 to 100000"},
      {"2017-10-09 07:01:55,10,2,10,v\n",
       "p.csv:2: gpu_time: found '10', expected duration x num_gpus = 20"},
      {"2017-10-09 07:01:55,10,2,20,\n", "p.csv:2: cluster: found '', expected a name"},
      {"2017-10-09 07:01:55,10,2\n", "p.csv:2: row: found 3 fields, expected 5"},
  };
  for (const auto& [row, message] : table) {
    const auto workload = parse_philly(header + row, "p.csv");
    EXPECT_EQ(workload ? "no error" : workload.error().message, message);
  }
}

TEST(Philly, TheRealTrace) {
  if (!std::filesystem::exists("../shared/data")) {
    GTEST_SKIP() << "../shared/data is absent";
  }
  const model::Workload workload = read_philly("../shared/data").value();
  ASSERT_EQ(workload.jobs.size(), 82'247U);
  EXPECT_TRUE(std::ranges::is_sorted(workload.jobs, {}, &model::Job::submitted));
  EXPECT_EQ(workload.jobs.front().submitted, Time{});
  double gpu_seconds = 0;
  for (const model::Job& job : workload.jobs) {
    gpu_seconds +=
        to_seconds(job.duration) * job.members * workload.specs[job.spec.index()].gpu.count;
  }
  EXPECT_NEAR(gpu_seconds, 3'521'082'502.0, 1);
  EXPECT_EQ(workload.specs.size(), 5U);
}

}  // namespace
}  // namespace plimsoll::traces
