#include "traces/shockwave.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

namespace plimsoll::traces {
namespace {

std::string row(const std::string& type, const std::string& steps, const std::string& gpus,
                const std::string& mode, const std::string& arrival) {
  return type + "\tpython3 \"main.py\" --x\tfolder\t--steps\t1\t" + steps + "\t" + gpus + "\t" +
         mode + "\t1\t-1.000000\t1418\t" + arrival + "\n";
}

TEST(Shockwave, ReadsJobsAndTheirDurations) {
  const std::string rates = R"j({"v100": {"('A (batch size 4)', 1)": {"null": 3},
                                          "('B (batch size 8)', 2)": {"null": 0.5}}})j";
  const std::string jobs = row("B (batch size 8)", "100", "2", "gns", "5.5") +
                           row("A (batch size 4)", "30", "1", "static", "0");
  ShockwaveTrace trace;
  trace.jobs = parse_shockwave_jobs(jobs, "s.trace").value();
  trace.rates = parse_gavel(rates, "r.json").value();
  EXPECT_EQ(trace.jobs[0].mode, BatchMode::fixed);
  EXPECT_EQ(trace.jobs[1].mode, BatchMode::gns);
  EXPECT_EQ(trace.jobs[1].batch_size, 8);
  EXPECT_EQ(trace.jobs[1].arrival, Time(5'500'000));
  const model::Workload workload = shockwave_workload(trace);
  EXPECT_EQ(workload.jobs[0].duration, seconds(std::int64_t{10}));
  EXPECT_EQ(workload.jobs[1].duration, seconds(std::int64_t{200}));
  EXPECT_EQ(workload.jobs[1].members, 2);
}

TEST(Shockwave, RefusesMalformedRows) {
  const std::string type = "A (batch size 4)";
  const std::vector<std::pair<std::string, std::string>> table = {
      {"", "s.trace: found no job, expected at least one"},
      {"a\tb\n", "s.trace:1: row: found 2 fields, expected 12"},
      {row(type, "1", "1", "gns", "1\t9"), "s.trace:1: row: found 13 fields, expected 12"},
      {row("A", "1", "1", "gns", "1"),
       "s.trace:1: type: found 'A', expected a type like 'LM (batch size 10)'"},
      {row("A (batch size -4)", "1", "1", "gns", "1"),
       "s.trace:1: type: found 'A (batch size -4)', expected a type like 'LM (batch size 10)'"},
      {row(type, "0", "1", "gns", "1"),
       "s.trace:1: steps: found '0', expected an integer from 1 to 1000000000000"},
      {row(type, "nan", "1", "gns", "1"),
       "s.trace:1: steps: found 'nan', expected an integer from 1 to 1000000000000"},
      {row(type, "1", "1.5", "gns", "1"),
       "s.trace:1: gpus: found '1.5', expected an integer from 1 to 100000"},
      {row(type, "1", "1", "fast", "1"),
       "s.trace:1: mode: found 'fast', expected static, accordion or gns"},
      {row(type, "1", "1", "gns", "-1"),
       "s.trace:1: arrival: found '-1', expected a number from 0 to 1000000000"},
  };
  for (const auto& [text, message] : table) {
    const auto jobs = parse_shockwave_jobs(text, "s.trace");
    EXPECT_EQ(jobs ? "no error" : jobs.error().message, message);
  }
}

TEST(Shockwave, RefusesJobsWithoutAUsableRate) {
  const auto message = [](const std::string& rates) {
    const std::string jobs = row("A (batch size 4)", "1000000000", "2", "gns", "0");
    const auto trace = join_shockwave(parse_shockwave_jobs(jobs, "s.trace").value(),
                                      parse_gavel(rates, "r.json").value(), "r.json");
    return trace ? "no error" : trace.error().message;
  };
  const std::string none =
      "r.json: v100.('A (batch size 4)', 2): found no rate, expected one above 0";
  EXPECT_EQ(message("{}"), none);
  EXPECT_EQ(message(R"j({"v100": {"A (batch size 4)": {"null": 1}}})j"), none);
  EXPECT_EQ(message(R"j({"v100": {"('A (batch size 4)', 2)": {"null": 0}}})j"), none);
  EXPECT_EQ(message(R"j({"v100": {"('A (batch size 4)', 2)": {"null": 1e-3}}})j"),
            "r.json: v100.('A (batch size 4)', 2): found a rate of 0.001 for 1000000000 steps, "
            "expected at most 1000000000 seconds of work");
  EXPECT_EQ(message(R"j({"v100": {"('A (batch size 4)', 2)": {"null": 1}}})j"), "no error");
}

TEST(Shockwave, TheRealTrace) {
  if (!std::filesystem::exists("../shared/data")) {
    GTEST_SKIP() << "../shared/data is absent";
  }
  const ShockwaveTrace trace = read_shockwave("../shared/data").value();
  ASSERT_EQ(trace.jobs.size(), 120U);
  EXPECT_EQ(std::ranges::count(trace.jobs, BatchMode::fixed, &ShockwaveJob::mode), 4);
  const model::Workload workload = shockwave_workload(trace);
  EXPECT_EQ(workload.jobs.back().submitted, Time(5'011'000'000));
  double gpu_seconds = 0;
  for (const model::Job& job : workload.jobs) {
    gpu_seconds += to_seconds(job.duration) * job.members;
  }
  EXPECT_GT(gpu_seconds / 32, 15'000);
  EXPECT_LT(gpu_seconds / 32, 40'000);
}

}  // namespace
}  // namespace plimsoll::traces
