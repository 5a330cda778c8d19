#include "traces/sia.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace plimsoll::traces {
namespace {

constexpr const char* data = "../shared/data";

SiaTables small_tables() {
  SiaTables tables;
  tables.applications.push_back({"bert", {{"t4", {}, {}}}, {{12, 100, 50}, {24, 60, 50}}});
  tables.applications.push_back({"ncf", {}, {{256, 10, 5}}});
  return tables;
}

TEST(Sia, ReadsAWorkload) {
  const SiaTables tables = small_tables();
  const auto workload = parse_sia_workload(
      "name,time,application,num_replicas,batch_size\nb,20.5,bert,4,24\na,10,ncf,1,256\n", "w.csv",
      &tables);
  ASSERT_EQ(workload.value().jobs.size(), 2U);
  const model::Job& first = workload->jobs[0];
  const model::Job& second = workload->jobs[1];
  EXPECT_EQ(first.name, "a");
  EXPECT_EQ(second.submitted, Time(20'500'000));
  EXPECT_EQ(second.members, 4);
  EXPECT_EQ(second.profile, "bert");
  EXPECT_EQ(second.batch_size, 24);
  EXPECT_DOUBLE_EQ(second.iterations, 60);
  EXPECT_EQ(workload->specs[second.spec.index()].gpu.count, 1);
}

TEST(Sia, RefusesMalformedWorkloads) {
  const std::string header = "name,time,application,num_replicas,batch_size\n";
  const SiaTables tables = small_tables();
  const std::vector<std::pair<std::string, std::string>> table = {
      {"",
       "w.csv:1: header: found an empty file, expected the columns "
       "name,time,application,num_replicas,batch_size"},
      {"name,time,application,num_replicas\n",
       "w.csv:1: header: found 'name,time,application,num_replicas', expected a column "
       "'batch_size'"},
      {header + "a,1,bert,1\n", "w.csv:2: row: found 4 fields, expected 5"},
      {header + "a,1,bert,1,12,9\n", "w.csv:2: row: found 6 fields, expected 5"},
      {header + "a,-1,bert,1,12\n",
       "w.csv:2: time: found '-1', expected a number from 0 to 1000000000"},
      {header + "a,nan,bert,1,12\n",
       "w.csv:2: time: found 'nan', expected a number from 0 to 1000000000"},
      {header + "a,1,bret,1,12\n", "w.csv:2: application: found 'bret', expected one of bert, ncf"},
      {header + "a,1,bert,1,13\n", "w.csv:2: batch_size: found '13', expected one of 12, 24"},
      {header + "a,1,bert,0,12\n",
       "w.csv:2: num_replicas: found '0', expected an integer from 1 to 100000"},
      {header + "a,1,bert,1.5,12\n",
       "w.csv:2: num_replicas: found '1.5', expected an integer from 1 to 100000"},
      {header + "a,1,bert,1,12\na,2,bert,1,12\n",
       "w.csv:3: name: found 'a' of line 2 again, expected a new name"},
  };
  for (const auto& [text, message] : table) {
    const auto workload = parse_sia_workload(text, "w.csv", &tables);
    EXPECT_EQ(workload ? "no error" : workload.error().message, message);
  }
}

TEST(Sia, RefusesMalformedTables) {
  const auto placements = [](const std::string& rows) {
    const auto parsed =
        parse_sia_placements("placement,local_bsz,step_time,sync_time\n" + rows, "p.csv");
    return parsed ? "no error" : parsed.error().message;
  };
  EXPECT_EQ(placements("211,4,0.5,0.1\n"), "no error");
  EXPECT_EQ(placements("201,4,0.5,0.1\n"),
            "p.csv:2: placement: found '201', expected 1 to 64 digits from 1 to 9, one a node");
  EXPECT_EQ(placements(",4,0.5,0.1\n"),
            "p.csv:2: placement: found '', expected 1 to 64 digits from 1 to 9, one a node");
  EXPECT_EQ(placements("2,0,0.5,0.1\n"),
            "p.csv:2: local_bsz: found '0', expected a number from 1 to 1000000000");
  EXPECT_EQ(placements("2,4,0,0.1\n"),
            "p.csv:2: step_time: found '0', expected a number from 1e-09 to 1000000000");
  EXPECT_EQ(placements("2,4,1,-0.1\n"),
            "p.csv:2: sync_time: found '-0.1', expected a number from 0 to 1000000000");
  const auto scalability = [](const std::string& rows) {
    const auto parsed = parse_sia_scalability(
        "num_nodes,num_replicas,local_bsz,step_time,sync_time\n" + rows, "s.csv");
    return parsed ? "no error" : parsed.error().message;
  };
  EXPECT_EQ(scalability("2,8,4,0.5,0.1\n"), "no error");
  EXPECT_EQ(scalability("0,8,4,0.5,0.1\n"),
            "s.csv:2: num_nodes: found '0', expected an integer from 1 to 100000");
  const auto validation = [](const std::string& rows) {
    const auto parsed = parse_sia_validation("progress,iteration,metric\n" + rows, "v.csv", 12);
    return parsed ? "no error" : parsed.error().message;
  };
  EXPECT_EQ(validation("5,10,1\n6,20,nan\n"), "no error");
  EXPECT_EQ(validation(""), "v.csv:1: row: found no row, expected at least one");
  EXPECT_EQ(validation("5,10,1\n6,10,1\n"),
            "v.csv:3: iteration: found '10', expected more than 10 of the row before");
}

TEST(Sia, DrawsByPoisson) {
  const SiaTables tables = small_tables();
  const model::Workload pool = parse_sia_workload(
                                   "name,time,application,num_replicas,batch_size\nb,0,bert,4,24\n"
                                   "a,10,ncf,1,256\n",
                                   "w.csv", &tables)
                                   .value();
  const model::Workload drawn = draw_poisson(pool, 4000, seconds(std::int64_t{30}), 5);
  ASSERT_EQ(drawn.jobs.size(), 4000U);
  EXPECT_TRUE(std::ranges::is_sorted(drawn.jobs, {}, &model::Job::submitted));
  EXPECT_NEAR(static_cast<double>(drawn.jobs.back().submitted.value()) * 1e-6, 4000 * 30.0, 8000);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(drawn.jobs, 4, &model::Job::members)), 2000,
              150);
  EXPECT_EQ(drawn.jobs, draw_poisson(pool, 4000, seconds(std::int64_t{30}), 5).jobs);
}

TEST(Sia, TheRealTables) {
  if (!std::filesystem::exists(data)) {
    GTEST_SKIP() << data << " is absent";
  }
  const SiaTables tables = read_sia_throughput(data).value();
  ASSERT_EQ(tables.applications.size(), 7U);
  const SiaApplication& bert = *tables.find("bert");
  EXPECT_EQ(bert.hardware.size(), 7U);
  EXPECT_EQ(bert.find_hardware("t4")->placements.size(), 540U);
  EXPECT_EQ(bert.find_hardware("dgx-ext")->placements.size(), 396U);
  EXPECT_EQ(bert.find_hardware("h100"), nullptr);
  EXPECT_EQ(bert.validation.front().batch_size, 12);
  EXPECT_EQ(tables.find("gpt_pmp")->find_hardware("t4"), nullptr);
  EXPECT_EQ(read_sia_workload(data, "newtrace", 1, &tables).value().jobs.size(), 960U);
  EXPECT_EQ(read_sia_pool(data, "newtrace", &tables).value().jobs.size(), 9600U);
  EXPECT_EQ(read_sia_pool(data, "scale/rate_10", &tables).value().specs.size(), 1U);
  for (const char* set : {"philly", "saturn", "scale/scale_32x"}) {
    EXPECT_FALSE(read_sia_pool(data, set, &tables).value().jobs.empty());
  }
}

}  // namespace
}  // namespace plimsoll::traces
