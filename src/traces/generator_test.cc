#include "traces/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "model/snapshot.h"

namespace plimsoll::traces {
namespace {

constexpr std::int64_t week_seconds = 7 * 86'400;

const std::string& class_of(const model::Workload& workload, const model::Job& job) {
  return *model::find_label(workload.specs[job.spec.index()].labels, "plimsoll.dev/class");
}

// GPU seconds within the week that each class would use if every job started at once.
std::map<std::string, double> offered(const model::Workload& workload) {
  std::map<std::string, double> sums;
  for (const model::Job& job : workload.jobs) {
    const model::GpuRequest& gpu = workload.specs[job.spec.index()].gpu;
    const double left = week_seconds - to_seconds(job.submitted - Time{});
    const double runs =
        job.duration == Duration{} ? left : std::min(left, to_seconds(job.duration));
    const double gpus = gpu.mig_profile.empty()
                            ? gpu.count * static_cast<double>(gpu.milli.value()) * 1e-3
                            : (gpu.mig_profile[0] - '0') / 7.0;
    sums[class_of(workload, job)] += runs * gpus * job.members;
  }
  return sums;
}

bool fits_empty(const model::PodSpec& spec, const model::Node& node) {
  const auto accepted = [&](const model::Gpu& gpu) {
    return (spec.gpu.models.empty() ||
            std::ranges::find(spec.gpu.models, gpu.model) != spec.gpu.models.end()) &&
           (gpu.sharing == model::GpuSharing::mig) == !spec.gpu.mig_profile.empty();
  };
  return spec.requests.cpu <= node.allocatable.cpu &&
         spec.requests.memory <= node.allocatable.memory &&
         std::ranges::count_if(node.gpus, accepted) >= spec.gpu.count &&
         model::untolerated_taint(spec, node) == nullptr;
}

TEST(Generator, TheClusterIsMixed) {
  const model::Cluster cluster = generate_cluster(1);
  std::map<std::string, std::size_t> gpus;
  std::set<std::string> names;
  for (const model::Node& node : cluster.nodes) {
    names.insert(node.name);
    gpus[node.gpus.empty() ? "none" : node.gpus[0].model] += node.gpus.size();
    EXPECT_GT(node.price, MicroUsdPerHour{});
    EXPECT_FALSE(node.topology.rack.empty());
  }
  EXPECT_EQ(cluster.nodes.size(), 82U);
  EXPECT_EQ(names.size(), 82U);
  EXPECT_THAT(gpus, testing::ElementsAre(std::pair("A100-80GB", 192), std::pair("H100-80GB", 96),
                                         std::pair("L4-24GB", 80), std::pair("T4-16GB", 64),
                                         std::pair("none", 0)));
  EXPECT_EQ(generate_cluster(3).nodes.size(), 246U);
}

TEST(Generator, OffersTheLoadThatWasAskedFor) {
  for (const double load : {0.5, 1.0, 1.3}) {
    for (const std::uint64_t seed : {1, 2, 3}) {
      const GeneratedTrace trace = generate({.seed = seed, .load = load});
      const auto sums = offered(trace.workload);
      const double capacity = 432.0 * week_seconds;
      double total = 0;
      for (const auto& [kind, gpu_seconds] : sums) {
        total += gpu_seconds;
      }
      EXPECT_NEAR(total / capacity, load, 0.02 * load) << "seed " << seed;
      EXPECT_NEAR(sums.at("notebook") / capacity, 0.035 * load, 0.003 * load);
      EXPECT_NEAR(sums.at("batch") / capacity, 0.14 * load, 0.01 * load);
      EXPECT_NEAR(sums.at("inference") / capacity, 0.188 * load, 0.01 * load);
      EXPECT_EQ(sums.at("cpu-batch"), 0);
    }
  }
}

TEST(Generator, EveryJobFitsSomeEmptyNode) {
  const GeneratedTrace trace = generate({});
  const model::Snapshot snapshot{.nodes = trace.cluster.nodes, .specs = trace.workload.specs};
  EXPECT_EQ(model::validate(snapshot), Result<void>{});
  for (const model::Job& job : trace.workload.jobs) {
    const model::PodSpec& spec = trace.workload.specs[job.spec.index()];
    const auto hosts = std::ranges::count_if(
        trace.cluster.nodes, [&](const model::Node& node) { return fits_empty(spec, node); });
    EXPECT_GE(hosts, job.members) << job.name;
  }
}

TEST(Generator, TheWeekHasTheShapeOfWork) {
  const model::Workload workload = generate({}).workload;
  EXPECT_GT(workload.jobs.size(), 3'000U);
  EXPECT_LT(workload.jobs.size(), 9'000U);
  EXPECT_LT(workload.specs.size(), 1'200U);
  EXPECT_TRUE(std::ranges::is_sorted(workload.jobs, {}, &model::Job::submitted));
  std::set<std::string> names;
  std::map<int, int> notebooks;  // by hour of the day
  std::map<int, int> gangs;      // by members
  int weekend_notebooks = 0;
  int services = 0;
  for (const model::Job& job : workload.jobs) {
    names.insert(job.name);
    EXPECT_FALSE(job.tenant.empty());
    EXPECT_GE(job.gpu_utilization_milli, 20);
    EXPECT_LE(job.gpu_utilization_milli, 1000);
    const std::int64_t second = job.submitted.value() / 1'000'000;
    EXPECT_LT(second, week_seconds);
    services += job.duration == Duration{} ? 1 : 0;
    if (class_of(workload, job) == "notebook") {
      ++notebooks[static_cast<int>(second % 86'400 / 3600)];
      weekend_notebooks += second >= 5 * 86'400 ? 1 : 0;
    }
    if (class_of(workload, job) == "training") {
      ++gangs[job.members];
    }
  }
  EXPECT_EQ(names.size(), workload.jobs.size());
  EXPECT_GT(services, 60);
  int all_notebooks = 0;
  for (const auto& [hour, count] : notebooks) {
    all_notebooks += count;
  }
  EXPECT_GT(notebooks[10], 10 * notebooks[3]);
  EXPECT_LT(weekend_notebooks * 10, all_notebooks);  // two days of seven
  EXPECT_THAT(gangs, testing::ElementsAre(testing::Key(1), testing::Key(2), testing::Key(4),
                                          testing::Key(8)));
}

TEST(Generator, TheSameSeedGivesTheSameBytes) {
  const GeneratedTrace first = generate({.seed = 9});
  const GeneratedTrace again = generate({.seed = 9});
  EXPECT_EQ(first.cluster.nodes, again.cluster.nodes);
  EXPECT_EQ(first.workload.specs, again.workload.specs);
  EXPECT_EQ(first.workload.jobs, again.workload.jobs);
  EXPECT_NE(first.workload.jobs, generate({.seed = 10}).workload.jobs);
}

}  // namespace
}  // namespace plimsoll::traces
