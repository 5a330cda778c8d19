#include "traces/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <set>

namespace plimsoll::traces {
namespace {

TEST(Topology, AFabricIsARegularTree) {
  const model::Cluster cluster =
      fabric({.zones = 2, .blocks = 2, .racks = 3, .hosts_per_rack = 4}, {.gpus = 4});
  ASSERT_EQ(cluster.nodes.size(), 48U);
  std::map<model::TopologyPath, int> hosts;
  std::set<std::string> racks;
  for (std::size_t i = 0; i < cluster.nodes.size(); ++i) {
    const model::Node& node = cluster.nodes[i];
    EXPECT_EQ(node.id.index(), i);
    EXPECT_EQ(node.gpus.size(), 4U);
    EXPECT_EQ(*model::find_label(node.labels, "topology.kubernetes.io/rack"), node.topology.rack);
    EXPECT_EQ(*model::find_label(node.labels, "kubernetes.io/hostname"), node.name);
    ++hosts[node.topology];
    racks.insert(node.topology.rack);
  }
  EXPECT_EQ(hosts.size(), 12U);
  EXPECT_EQ(racks.size(), 12U);
  for (const auto& [path, count] : hosts) {
    EXPECT_EQ(count, 4);
  }
  EXPECT_EQ(cluster.nodes[47].topology.rack, "z1-b1-r2");
  EXPECT_EQ(cluster.nodes[4].topology.rack, "z0-b0-r1");
}

TEST(Topology, RacksOfTwoAggregationSwitchesDiffer) {
  const model::Cluster cluster =
      parse_lingjun("ip,DSW,PSW,ASW\na,G1,P1,S1\nb,G1,P2,S1\n", "topo.csv").value();
  EXPECT_EQ(cluster.nodes[0].topology.zone, cluster.nodes[1].topology.zone);
  EXPECT_NE(cluster.nodes[0].topology.rack, cluster.nodes[1].topology.rack);
  EXPECT_EQ(cluster.nodes[0].gpus.size(), 8U);
}

TEST(Topology, RefusesMalformedFiles) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"", "topo.csv:1: header: found an empty file, expected the columns ip,DSW,PSW,ASW"},
      {"ip,DSW,PSW\n", "topo.csv:1: header: found 'ip,DSW,PSW', expected a column 'ASW'"},
      {"ip,DSW,PSW,ASW\na,G,P\n", "topo.csv:2: row: found 3 fields, expected 4"},
      {"ip,DSW,PSW,ASW\na,G,,S\n", "topo.csv:2: PSW: found '', expected a name"},
      {"ip,DSW,PSW,ASW\na,G,P,S\na,G,P,S\n",
       "topo.csv:3: ip: found 'a' of line 2 again, expected a new name"},
  };
  for (const auto& [text, message] : table) {
    const auto cluster = parse_lingjun(text, "topo.csv");
    EXPECT_EQ(cluster ? "no error" : cluster.error().message, message);
  }
}

TEST(Topology, TheRealFabric) {
  if (!std::filesystem::exists("../shared/data")) {
    GTEST_SKIP() << "../shared/data is absent";
  }
  const model::Cluster cluster = read_lingjun("../shared/data").value();
  EXPECT_EQ(cluster.nodes.size(), 847U);
  std::set<std::string> blocks;
  for (const model::Node& node : cluster.nodes) {
    blocks.insert(node.topology.block);
  }
  EXPECT_EQ(blocks.size(), 3U);
}

}  // namespace
}  // namespace plimsoll::traces
