#include "traces/openb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

namespace plimsoll::traces {
namespace {

using testing::ElementsAre;

constexpr const char* data = "../shared/data/openb";

constexpr std::string_view nodes_text =
    "sn,cpu_milli,memory_mib,gpu,model\nn-b,64000,262144,2,T4\nn-a,32000,131072,0,\n";
constexpr std::string_view pods_header =
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos\n";

Result<OpenbTrace> parse(std::string_view nodes, std::string_view pods) {
  return parse_openb({nodes, "nodes.csv"}, {pods, "pods.csv"});
}
std::string message(std::string_view nodes, std::string_view pods) {
  const auto trace = parse(nodes, pods);
  return trace ? "no error" : trace.error().message;
}

TEST(Openb, BuildsNodesAndSharesEqualSpecs) {
  const std::string pods = std::string(pods_header) +
                           "p2,1000,512,1,460,V100|T4,LS\n"
                           "p1,1000,512,1,460,T4||V100|T4,BE\n"
                           "p0,2000,0,0,500,T4,BE\n"
                           "p3,2000,0,0,0,,BE\n";
  const OpenbTrace trace = parse(nodes_text, pods).value();
  ASSERT_EQ(trace.cluster.nodes.size(), 2U);
  const model::Node& node = trace.cluster.nodes[0];
  EXPECT_EQ(node.name, "n-b");
  EXPECT_EQ(node.id, NodeId(0));
  EXPECT_EQ(node.allocatable.cpu, Millicores(64000));
  EXPECT_EQ(node.allocatable.memory, gibibyte * 256);
  ASSERT_EQ(node.gpus.size(), 2U);
  EXPECT_EQ(node.gpus[1].model, "T4");
  EXPECT_EQ(node.gpus[1].memory, mebibyte * 15109);
  EXPECT_TRUE(trace.cluster.nodes[1].gpus.empty());
  ASSERT_EQ(trace.specs.size(), 2U);
  EXPECT_THAT(trace.specs[0].gpu.models, ElementsAre("T4", "V100"));
  EXPECT_EQ(trace.specs[0].gpu.milli, GpuMilli(460));
  EXPECT_EQ(trace.specs[1].gpu, model::GpuRequest{});
  EXPECT_THAT(trace.pods, ElementsAre(std::pair("p0", SpecId(1)), std::pair("p1", SpecId(0)),
                                      std::pair("p2", SpecId(0)), std::pair("p3", SpecId(1))));
}

TEST(Openb, RefusesMalformedFiles) {
  const std::string header(pods_header);
  const std::string good = header + "p0,1,1,0,0,,\n";
  const std::string node_header = "sn,cpu_milli,memory_mib,gpu,model\n";
  const std::vector<std::tuple<std::string, std::string, std::string>> table = {
      {"", good,
       "nodes.csv:1: header: found an empty file, expected the columns "
       "sn,cpu_milli,memory_mib,gpu,model"},
      {"sn,cpu_milli,memory_mib,gpu\n", good,
       "nodes.csv:1: header: found 'sn,cpu_milli,memory_mib,gpu', expected a column 'model'"},
      {node_header + "n,1,1,65,T4\n", good,
       "nodes.csv:2: gpu: found '65', expected an integer from 0 to 64"},
      {node_header + "n,1,1,-1,T4\n", good,
       "nodes.csv:2: gpu: found '-1', expected an integer from 0 to 64"},
      {node_header + "n,1,1,1,\n", good, "nodes.csv:2: model: found '', expected a name"},
      {node_header + "n,1,1,1,T4\nm,1,1,1,T4\nn,2,2,2,T4\n", good,
       "nodes.csv:4: sn: found 'n' of line 2 again, expected a new name"},
      {node_header + "n,1,99999999999999999999,1,T4\n", good,
       "nodes.csv:2: memory_mib: found '99999999999999999999', expected an integer from 0 to "
       "1000000000"},
      {std::string(nodes_text), "name,cpu_milli,memory_mib,num_gpu\n",
       "pods.csv:1: header: found 'name,cpu_milli,memory_mib,num_gpu', expected a column "
       "'gpu_milli'"},
      {std::string(nodes_text), header + "p0,1,1,0,0,\n",
       "pods.csv:2: row: found 6 fields, expected 7"},
      {std::string(nodes_text), header + "p0,1,1,1,0,,\n",
       "pods.csv:2: gpu_milli: found '0', expected 1 to 1000 for a pod with a GPU"},
      {std::string(nodes_text), header + "p0,1,1,2,500,,\n",
       "pods.csv:2: gpu_milli: found '500', expected 1000 for a pod with several GPUs"},
      {std::string(nodes_text), header + "p0,1,1,1,1001,,\n",
       "pods.csv:2: gpu_milli: found '1001', expected an integer from 0 to 1000"},
      {std::string(nodes_text), header + "p0,nan,1,1,1,,\n",
       "pods.csv:2: cpu_milli: found 'nan', expected an integer from 0 to 1000000000"},
      {std::string(nodes_text), header + "z,1,1,0,0,,\np,1,1,0,0,,\np,1,1,0,0,,\nz,1,1,0,0,,\n",
       "pods.csv:4: name: found 'p' of line 3 again, expected a new name"},
      {std::string(nodes_text), header + "\"p\",1,1,0,0,,\n\"p\",1,1,0,0,,\n",
       "pods.csv:3: name: found 'p' of line 2 again, expected a new name"},
      {std::string(nodes_text), header + ",1,1,0,0,,\n",
       "pods.csv:2: name: found '', expected a name"},
  };
  for (const auto& [nodes, pods, expected] : table) {
    EXPECT_EQ(message(nodes, pods), expected);
  }
}

TEST(Openb, ArrivalsShuffleThenDrawUntilTheNextWouldPass) {
  const std::string pods =
      std::string(pods_header) + "a,1,1,1,1000,,\nb,1,1,1,400,,\nc,1,1,0,0,,\nd,1,1,2,1000,,\n";
  // 8 GPUs: the pods ask for 3.4, and draws fill up to 10.4.
  const std::string nodes = "sn,cpu_milli,memory_mib,gpu,model\nn,1,1,8,T4\n";
  const OpenbTrace trace = parse(nodes, pods).value();
  std::set<std::string> orders;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const model::Workload workload = openb_arrivals(trace, 1.3, seed);
    std::int64_t milli = 0;
    std::set<std::string> names;
    std::string order;
    for (std::size_t i = 0; i < workload.jobs.size(); ++i) {
      const model::Job& job = workload.jobs[i];
      EXPECT_EQ(job.submitted, Time(static_cast<std::int64_t>(i) * 1'000'000));
      EXPECT_EQ(job.duration, Duration{});
      const model::GpuRequest& gpu = workload.specs[job.spec.index()].gpu;
      milli += gpu.count * gpu.milli.value();
      names.insert(job.name);
      order += job.name[0];
    }
    orders.insert(order.substr(0, 4));
    EXPECT_EQ(names.size(), workload.jobs.size());
    // The stop check counts one GPU of the next pod, so that a last pod of two may pass the
    // target by one.
    EXPECT_GT(milli, 9'400);
    EXPECT_LE(milli, 11'400);
    EXPECT_EQ(workload.jobs, openb_arrivals(trace, 1.3, seed).jobs);
  }
  EXPECT_GT(orders.size(), 5U);
}

TEST(Openb, ArrivalsBelowTheTraceDropPods) {
  const std::string pods =
      std::string(pods_header) + "a,1,1,1,1000,,\nb,1,1,1,1000,,\nc,1,1,1,1000,,\n";
  const std::string nodes = "sn,cpu_milli,memory_mib,gpu,model\nn,1,1,4,T4\n";
  const OpenbTrace trace = parse(nodes, pods).value();
  EXPECT_EQ(openb_arrivals(trace, 0.5, 7).jobs.size(), 2U);
  EXPECT_EQ(openb_arrivals(trace, 0.75, 7).jobs.size(), 3U);
  EXPECT_EQ(openb_arrivals(trace, 0, 7).jobs.size(), 0U);
}

TEST(Openb, ArrivalsEndWithoutGpuPods) {
  const OpenbTrace trace = parse(nodes_text, std::string(pods_header) + "a,1,1,0,0,,\n").value();
  EXPECT_EQ(openb_arrivals(trace, 1.3, 1).jobs.size(), 1U);
  EXPECT_TRUE(openb_arrivals(parse(nodes_text, pods_header).value(), 1.3, 1).jobs.empty());
}

TEST(Openb, TypicalPodsRankByCountThenByTheTieRule) {
  std::string pods(pods_header);
  int next = 0;
  const auto add = [&](int count, const std::string& rest) {
    while (count-- > 0) {
      pods += "p" + std::to_string(next++) + "," + rest + ",\n";
    }
  };
  add(10, "1000,1,1,500,");
  add(10, "1000,2,1,500,");  // another memory, the same typical pod
  add(5, "4000,1,0,0,");
  add(5, "1000,1,1,1000,T4");
  add(5, "1000,1,1,1000,");
  add(1, "9000,1,1,1000,");
  const OpenbTrace trace = parse(nodes_text, pods).value();
  const auto typical = typical_pods(trace);
  ASSERT_EQ(typical.size(), 4U);
  EXPECT_EQ(typical[0].second, 20);
  EXPECT_EQ(typical[0].first.requests.memory, Bytes{});
  EXPECT_EQ(typical[1].first.requests.cpu, Millicores(4000));
  EXPECT_EQ(typical[1].first.gpu.count, 0);
  EXPECT_THAT(typical[2].first.gpu.models, ElementsAre("T4"));
  EXPECT_THAT(typical[3].first.gpu.models, ElementsAre());
  EXPECT_EQ(typical_pods(trace, 97.3).size(), 5U);
  EXPECT_EQ(typical_pods(trace, 100).size(), 5U);
}

TEST(Openb, TheRealTrace) {
  if (!std::filesystem::exists(data)) {
    GTEST_SKIP() << data << " is absent";
  }
  const OpenbTrace trace = read_openb("../shared/data", "default").value();
  EXPECT_EQ(trace.cluster.nodes.size(), 1213U);
  std::size_t gpus = 0;
  for (const model::Node& node : trace.cluster.nodes) {
    gpus += node.gpus.size();
  }
  EXPECT_EQ(gpus, 6212U);
  EXPECT_EQ(trace.pods.size(), 8152U);
  EXPECT_EQ(trace.specs.size(), 151U);
  EXPECT_EQ(typical_pods(trace).size(), 35U);
  for (std::uint64_t seed = 42; seed < 46; ++seed) {
    EXPECT_NEAR(static_cast<double>(openb_arrivals(trace, 1.3, seed).jobs.size()), 10'815, 150);
  }
  EXPECT_EQ(read_openb(data, "gpuspec20").value().pods.size(), 8152U);
  EXPECT_EQ(read_openb(data, "multigpu40").value().pods.size(), 8746U);
  EXPECT_THAT(read_openb(data, "defualt").error().message,
              testing::HasSubstr("openb: variant: found 'defualt', expected one of cpu100, cpu200, "
                                 "default, gpushare40"));
}

}  // namespace
}  // namespace plimsoll::traces
