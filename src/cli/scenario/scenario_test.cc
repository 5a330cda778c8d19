#include "cli/scenario/scenario.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace plimsoll::cli {
namespace {

using testing::HasSubstr;

constexpr const char* good = R"(name: two-teams
cluster:
  nodes:
    - name: a100
      count: 4
      cpu: 96
      memory: 1Ti
      gpus: 8
      gpu_model: A100-80GB
      topology: {zone: z1, nodes_per_rack: 2}
      price_per_hour: 32.77
    - {name: cpu, cpu: 500m, memory: 1.5Gi}
workload:
  jobs:
    - name: train
      count: 3
      every: 1h30m
      members: 2
      gpus: 8
      duration: 2h
      tenant: research
    - {name: notebook, gpus: 1, gpu_milli: 500, start: 10s}
policies: [fgd, plimsoll]
seeds: 42-44
queue: fifo
events:
  - {at: 1h, fail: a100-1, for: 30m}
objectives:
  - {metric: gpu_allocation_percent, policy: plimsoll, min: 50}
)";

// `good` with its line `number` replaced.
std::string with_line(int number, const std::string& line) {
  std::string text;
  std::istringstream stream(good);
  std::string old;
  for (int i = 1; std::getline(stream, old); ++i) {
    text += (i == number ? line : old) + "\n";
  }
  return text;
}

std::string error_of(const std::string& text) {
  const auto scenario = parse_scenario(text, "s.yaml");
  if (scenario) {
    return "(accepted)";
  }
  EXPECT_EQ(scenario.error().code, ErrorCode::bad_input);
  return scenario.error().message;
}

TEST(Scenario, ReadsEverything) {
  const auto scenario = parse_scenario(good, "s.yaml");
  ASSERT_TRUE(scenario) << scenario.error().message;
  EXPECT_EQ(scenario->name, "two-teams");
  EXPECT_EQ(scenario->seeds, (std::vector<std::uint64_t>{42, 43, 44}));
  EXPECT_EQ(scenario->policies, (std::vector<std::string>{"fgd", "plimsoll"}));

  const auto cluster = make_cluster(*scenario, "");
  ASSERT_TRUE(cluster);
  ASSERT_EQ(cluster->nodes.size(), 5U);
  const model::Node& node = cluster->nodes[2];
  EXPECT_EQ(node.id, NodeId(2));
  EXPECT_EQ(node.name, "a100-2");
  EXPECT_EQ(node.topology.rack, "a100-r1");
  EXPECT_EQ(node.topology.zone, "z1");
  EXPECT_EQ(node.price, MicroUsdPerHour(32'770'000));
  EXPECT_EQ(node.gpus.size(), 8U);
  EXPECT_EQ(node.allocatable.cpu, Millicores(96'000));
  EXPECT_EQ(node.allocatable.memory, gibibyte * 1024);
  EXPECT_EQ(cluster->nodes[4].name, "cpu");
  EXPECT_EQ(cluster->nodes[4].allocatable.cpu, Millicores(500));
  EXPECT_EQ(cluster->nodes[4].allocatable.memory, mebibyte * 1536);

  const auto maker = make_workload(*scenario, *make_cluster(*scenario, ""), "");
  ASSERT_TRUE(maker);
  const model::Workload workload = (*maker)(42);
  ASSERT_EQ(workload.jobs.size(), 4U);
  EXPECT_EQ(workload.jobs[0].name, "train-0");
  EXPECT_EQ(workload.jobs[1].name, "notebook");
  EXPECT_EQ(workload.jobs[1].duration, Duration(0));
  EXPECT_EQ(workload.jobs[2].submitted, Time() + seconds(5400.0));
  EXPECT_EQ(workload.jobs[2].members, 2);
  EXPECT_EQ(workload.specs[workload.jobs[1].spec.index()].gpu.milli, GpuMilli(500));

  const auto events = make_events(*scenario, *cluster);
  ASSERT_TRUE(events);
  ASSERT_EQ(events->size(), 2U);
  EXPECT_EQ((*events)[0].target, NodeId(1));
  EXPECT_EQ((*events)[1].kind, sim::NodeEvent::Kind::recover);
  EXPECT_EQ((*events)[1].at, Time() + seconds(5400.0));
}

TEST(Scenario, EachMistakeIsOneLine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      // The file as a whole.
      {"", "s.yaml:1: scenario: found nothing, expected a mapping"},
      {"# nothing\n", "s.yaml:1: scenario: found nothing, expected a mapping"},
      {"just text", "s.yaml:1: scenario: found 'just text', expected a mapping"},
      {"- a\n- b\n", "s.yaml:1: scenario: found a list, expected a mapping"},
      {"{}", "s.yaml:1: name: found nothing, expected a value"},
      {"name: x\n", "s.yaml:1: cluster: found nothing, expected a value"},
      {std::string(good) + "---\nname: b\n", "s.yaml:30: found a second document, expected one"},
      {"name: [a\n",
       "s.yaml:2: found broken YAML (end of sequence flow not found), expected a "
       "mapping"},
      {"name: \"a\n",
       "s.yaml:2: found broken YAML (illegal document indicator in scalar), expected a mapping"},
      {"\tname: a\n",
       "s.yaml:1: found broken YAML (illegal map value), expected a "
       "mapping"},
      {std::string("name: a\0b\n", 10), "s.yaml:1: found the byte 0x00, expected UTF-8 text"},
      {"name: a\n\x7f"
       "ELF\x02\n",
       "s.yaml:2: found the byte 0x7f, expected UTF-8 text"},
      {"name: \xff\xfe\n", "s.yaml:1: found the byte 0xff, expected UTF-8 text"},
      {"name: \xc0\xaf\n", "s.yaml:1: found the byte 0xc0, expected UTF-8 text"},
      {"name: \xed\xa0\x80\n", "s.yaml:1: found the byte 0xed, expected UTF-8 text"},
      {"name: \xe2\x82", "s.yaml:1: found the byte 0xe2, expected UTF-8 text"},
      {"a: 1\nname: " + std::string(20'000, 'x'),
       "s.yaml:2: found a line of more than 16384 bytes, expected at most that"},
      {"name: " + std::string(10 << 20, 'x'),
       "s.yaml: found more than 1048576 bytes, expected at most that"},
      {std::string(200, '['), "s.yaml:1: found nesting deeper than 24, expected at most that"},
      {std::string(10'000, '{'), "s.yaml:1: found nesting deeper than 24, expected at most that"},
      // Keys.
      {"name: a\nname: b\n", "s.yaml:2: 'name': found this key twice, expected once"},
      {"name: a\ncluster: {nodes: 1, nodes: 2}\n",
       "s.yaml:2: 'nodes': found this key twice, expected once"},
      {"[a]: b\n", "s.yaml:1: found a key that is not text, expected a name"},
      {"? {a: 1}\n: b\n", "s.yaml:1: found a key that is not text, expected a name"},
      {with_line(25, "quue: fifo"),
       "s.yaml:25: quue: found an unknown key, expected a known one; did you mean 'queue'?"},
      {with_line(25, "weather: fine"),
       "s.yaml:25: weather: found an unknown key, expected one of name, cluster, workload, "
       "policies, queue, seeds, events, until, checkpoint_every, objectives"},
      {with_line(6, "      cpus: 96"),
       "s.yaml:4: cluster.nodes[0].cpu: found nothing, expected a value"},
      {with_line(10, "      topolgy: {zone: z1}"),
       "s.yaml:10: cluster.nodes[0].topolgy: found an unknown key, expected a known one; did you "
       "mean 'topology'?"},
      {with_line(10, "      <<: {zone: z1}"),
       "s.yaml:10: cluster.nodes[0].<<: found an unknown key, expected one of name, count, cpu, "
       "memory, ephemeral_storage, pods, gpus, gpu_model, gpu_memory, gpu_sharing, labels, "
       "taints, topology, pool, capacity_type, price_per_hour"},
      // Anchors and tags.
      {"name: &a [*a]\n", "s.yaml:1: found an alias inside what it names, expected it outside"},
      {"name: *b\n",
       "s.yaml:1: found broken YAML (the referenced anchor is not defined), "
       "expected a mapping"},
      {"name: !!int 3\n", "s.yaml:1: found the tag 'tag:yaml.org,2002:int', expected none"},
      {"name: !evil {a: b}\n", "s.yaml:1: found the tag '!evil', expected none"},
      // Types.
      {with_line(1, "name:"), "s.yaml:1: name: found nothing, expected a value"},
      {with_line(1, "name: ~"), "s.yaml:1: name: found nothing, expected a value"},
      {with_line(1, "name: [x]"), "s.yaml:1: name: found a list, expected text"},
      {with_line(1, "name: 12"), "s.yaml:1: name: found 12, expected text; put it in quotes"},
      {with_line(1, "name: true"), "s.yaml:1: name: found true, expected text; put it in quotes"},
      {with_line(1, "name: Two Teams"),
       "s.yaml:1: name: found 'Two Teams', expected a name of lower case letters, digits, '-' and "
       "'.', at most 253"},
      {with_line(1, "name: " + std::string(254, 'a')),
       "s.yaml:1: name: found '" + std::string(40, 'a') +
           "…', expected a name of lower case letters, digits, '-' and '.', at most 253"},
      {with_line(5, "      count: many"),
       "s.yaml:5: cluster.nodes[0].count: found 'many', expected an integer from 1 to 200000"},
      {with_line(5, "      count: 0"),
       "s.yaml:5: cluster.nodes[0].count: found '0', expected an integer from 1 to 200000"},
      {with_line(5, "      count: -4"),
       "s.yaml:5: cluster.nodes[0].count: found '-4', expected an integer from 1 to 200000"},
      {with_line(5, "      count: 010"),
       "s.yaml:5: cluster.nodes[0].count: found '010', expected an integer from 1 to 200000 "
       "without leading zeros"},
      {with_line(5, "      count: 0x10"),
       "s.yaml:5: cluster.nodes[0].count: found '0x10', expected an integer from 1 to 200000"},
      {with_line(5, "      count: 4.0"),
       "s.yaml:5: cluster.nodes[0].count: found '4.0', expected an integer from 1 to 200000"},
      {with_line(5, "      count: 1_000"),
       "s.yaml:5: cluster.nodes[0].count: found '1_000', expected an integer from 1 to 200000"},
      {with_line(5, "      count: \"4\""),
       "s.yaml:5: cluster.nodes[0].count: found '4', expected an integer from 1 to 200000 without "
       "quotes"},
      {with_line(5, "      count: 99999999999999999999"),
       "s.yaml:5: cluster.nodes[0].count: found '99999999999999999999', expected an integer from "
       "1 to 200000"},
      {with_line(5, "      count: 200000"),
       "s.yaml:3: cluster.nodes: found 200001 nodes, expected at most 200000"},
      {with_line(6, "      cpu: lots"),
       "s.yaml:6: cluster.nodes[0].cpu: found 'lots', expected an amount of CPU such as 8 or 500m"},
      {with_line(6, "      cpu: -1"),
       "s.yaml:6: cluster.nodes[0].cpu: found -1, expected an amount of CPU such as 8 or 500m"},
      {with_line(6, "      cpu: \"\""),
       "s.yaml:6: cluster.nodes[0].cpu: found '', expected an amount of CPU such as 8 or 500m"},
      {with_line(6, "      cpu: .nan"),
       "s.yaml:6: cluster.nodes[0].cpu: found .nan, expected an amount of CPU such as 8 or 500m"},
      {with_line(6, "      cpu: 9e18"),
       "s.yaml:6: cluster.nodes[0].cpu: found 9e18, expected an amount of CPU such as 8 or 500m"},
      {with_line(7, "      memory: 1TiB"),
       "s.yaml:7: cluster.nodes[0].memory: found '1TiB', expected an amount of bytes such as 64Gi "
       "or 1.5Ti"},
      {with_line(7, "      memory: 9999Ei"),
       "s.yaml:7: cluster.nodes[0].memory: found '9999Ei', expected an amount of bytes such as "
       "64Gi or 1.5Ti"},
      {with_line(11, "      price_per_hour: .inf"),
       "s.yaml:11: cluster.nodes[0].price_per_hour: found .inf, expected a number from 0 to "
       "1000000"},
      {with_line(11, "      price_per_hour: .nan"),
       "s.yaml:11: cluster.nodes[0].price_per_hour: found .nan, expected a number from 0 to "
       "1000000"},
      {with_line(11, "      price_per_hour: -3"),
       "s.yaml:11: cluster.nodes[0].price_per_hour: found -3, expected a number from 0 to 1000000"},
      {with_line(11, "      gpu_sharing: wole"),
       "s.yaml:11: cluster.nodes[0].gpu_sharing: found 'wole', expected one of shared, whole, mig; "
       "did you mean 'whole'?"},
      {with_line(11, "      labels: {team: yes}"),
       "s.yaml:11: cluster.nodes[0].labels.team: found yes, expected text; put it in quotes"},
      {with_line(11, "      labels: [a, b]"),
       "s.yaml:11: cluster.nodes[0].labels: found a list, expected a mapping of names to text"},
      {with_line(11, "      taints: [{key: a, effect: NoSchedul}]"),
       "s.yaml:11: cluster.nodes[0].taints[0].effect: found 'NoSchedul', expected one of "
       "NoSchedule, PreferNoSchedule, NoExecute; did you mean 'NoSchedule'?"},
      {with_line(11, "      taints: [gpu]"),
       "s.yaml:11: cluster.nodes[0].taints[0]: found 'gpu', expected a mapping"},
      {with_line(9, "      pool: gpu"),
       "s.yaml:4: cluster.nodes[0].gpu_model: found nothing, expected a GPU model, as the node has "
       "GPUs"},
      {with_line(8, "      gpus: 0"),
       "s.yaml:9: cluster.nodes[0].gpu_model: found a GPU model on a node without GPUs, expected "
       "gpus of at least 1"},
      {with_line(3, "  trace: {kind: openb, data: d}\n  nodes:"),
       "s.yaml:3: cluster: found nodes and trace, expected one of nodes, trace and generator"},
      {"name: a\ncluster: {nodes: []}\nworkload: {jobs: []}\n",
       "s.yaml:2: cluster.nodes: found no nodes, expected at least one"},
      {"name: a\ncluster: {}\nworkload: {jobs: []}\n",
       "s.yaml:2: cluster: found none of nodes, trace and generator, expected one of them"},
      {"name: a\ncluster: {nodes: 3}\nworkload: {jobs: []}\n",
       "s.yaml:2: cluster.nodes: found 3, expected a list of mappings"},
      {"name: a\ncluster: 3\nworkload: {jobs: []}\n",
       "s.yaml:2: cluster: found 3, expected a mapping"},
      {"name: a\ncluster: {generator: {}}\nworkload: {}\n",
       "s.yaml:3: workload: found none of jobs, trace and generator, expected one of them"},
      // Work.
      {with_line(17, "      every: 90"),
       "s.yaml:17: workload.jobs[0].every: found 90, expected a duration such as 90s, 1h30m or "
       "3d"},
      {with_line(17, "      every: -5m"),
       "s.yaml:17: workload.jobs[0].every: found '-5m', expected a duration such as 90s, 1h30m or "
       "3d"},
      {with_line(17, "      every: 1h1h"),
       "s.yaml:17: workload.jobs[0].every: found '1h1h', expected a duration such as 90s, 1h30m "
       "or 3d"},
      {with_line(17, "      every: 999999999999d"),
       "s.yaml:17: workload.jobs[0].every: found '999999999999d', expected a duration such as "
       "90s, 1h30m or 3d"},
      {with_line(20, "      duration: 0s"),
       "s.yaml:20: workload.jobs[0].duration: found 0, expected a duration above 0, or none for a "
       "service"},
      {with_line(18, "      members: 0"),
       "s.yaml:18: workload.jobs[0].members: found '0', expected an integer from 1 to 10000"},
      {with_line(16, "      count: 3000000"),
       "s.yaml:14: workload.jobs: found 6000001 pods, expected at most 5000000"},
      {with_line(22, "    - {name: notebook, gpus: 2, gpu_milli: 500}"),
       "s.yaml:22: workload.jobs[1].gpu_milli: found 500 with gpus: 2, expected gpus: 1"},
      {with_line(22, "    - {name: notebook, mig_profile: 1g.10gb}"),
       "s.yaml:22: workload.jobs[1].mig_profile: found a MIG profile, expected gpus of at least 1 "
       "and no gpu_milli"},
      {with_line(22, "    - {gpus: 2}"),
       "s.yaml:22: workload.jobs[1].name: found nothing, expected a value"},
      {with_line(22, "    - {name: a, required_level: rak}"),
       "s.yaml:22: workload.jobs[1].required_level: found 'rak', expected one of none, zone, "
       "block, rack, nvlink_domain, host; did you mean 'rack'?"},
      {with_line(22, "    - {name: a, spread: [{topology_key: zone}]}"),
       "s.yaml:22: workload.jobs[1].spread[0].match_labels: found nothing, expected a value"},
      // Policies, seeds, queue, events, objectives.
      {with_line(23, "policies: [fgd, plimsol]"),
       "s.yaml:23: policies: found 'plimsol', expected a policy out of plimsoll, vanilla, "
       "most_allocated, fgd, best_fit, packing, clustering, dot_product, random; did you mean "
       "'plimsoll'?"},
      {with_line(23, "policies: fgd"), "s.yaml:23: policies: found 'fgd', expected a list of text"},
      {with_line(23, "policies: []"),
       "s.yaml:23: policies: found nothing, expected at least one "
       "policy"},
      {with_line(23, "policies: [fgd, fgd]"),
       "s.yaml:23: policies: found 'fgd' twice, expected each policy once"},
      {with_line(24, "seeds: 44-42"),
       "s.yaml:24: seeds: found the range '44-42', expected its first seed to be at most its last"},
      {with_line(24, "seeds: [1]"),
       "s.yaml:24: seeds: found a list, expected seeds such as 42, 42-51 or 1,5,9"},
      {with_line(25, "queue: lifo"),
       "s.yaml:25: queue: found 'lifo', expected one of fifo, skip, shortest_first, backfill, "
       "shortest_backfill, "
       "arrival; did you mean 'fifo'?"},
      {with_line(27, "  - {at: 1h, fail: a, remove: b}"),
       "s.yaml:27: events[0].at: found 2 of fail, recover, remove and add, expected one of them"},
      {with_line(27, "  - {at: 1h}"),
       "s.yaml:27: events[0].at: found 0 of fail, recover, remove and add, expected one of them"},
      {with_line(27, "  - {fail: a100-1}"),
       "s.yaml:27: events[0].at: found nothing, expected a value"},
      {with_line(27, "  - {at: 1h, remove: a, for: 1h}"),
       "s.yaml:27: events[0].for: found a duration, expected it only with fail"},
      {with_line(25, "checkpoint_every: 0s"),
       "s.yaml:25: checkpoint_every: found 0, expected a duration above 0, or none: from its "
       "start"},
      {with_line(29, "  - {metric: gpu_allocation, min: 5}"),
       "s.yaml:29: objectives[0].metric: found 'gpu_allocation', expected one of "
       "gpu_allocation_percent, gpu_utilization_percent, final_gpu_allocation_percent, "
       "fragmentation_percent, arrived, placed, "
       "completed, running, pending, failed, restarts, mean_wait_seconds, p50_wait_seconds, "
       "p99_wait_seconds, mean_jct_seconds, p50_jct_seconds, p90_jct_seconds, p99_jct_seconds, "
       "makespan_seconds, cost_usd, idle_cost_usd"},
      {with_line(29, "  - {metric: placed}"),
       "s.yaml:29: objectives[0].metric: found no bound, expected min or max"},
      {with_line(29, "  - {metric: placed, min: .nan}"),
       "s.yaml:29: objectives[0].min: found .nan, expected a number"},
      {with_line(29, "  - {metric: placed, min: 1, policy: vanilla}"),
       "s.yaml:29: objectives[0].policy: found 'vanilla', expected one of fgd, plimsoll"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_EQ(error_of(text), message) << text.substr(0, 1000);
  }
}

TEST(Scenario, AliasBombIsRefused) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    text += fmt::format("a{}: &a{} [", i, i);
    for (int j = 0; j < 10; ++j) {
      text += fmt::format("{}*a{}", j == 0 ? "" : ", ", i - 1);
    }
    text += "]\n";
  }
  EXPECT_THAT(error_of(text), HasSubstr("found more than 100000 values or 4194304 bytes after "
                                        "aliases, expected less"));
}

TEST(Scenario, AnAliasIsACopy) {
  const auto scenario = parse_scenario(
      "name: a\ncluster:\n  nodes:\n    - &n {name: first, count: 2, cpu: 1, memory: &m 1Gi}\n"
      "    - {name: second, cpu: 1, memory: *m}\nworkload: {jobs: []}\n",
      "s.yaml");
  ASSERT_TRUE(scenario) << scenario.error().message;
  ASSERT_EQ(scenario->node_groups.size(), 2U);
  EXPECT_EQ(scenario->node_groups[1].node.capacity.memory, gibibyte);
}

TEST(Scenario, NodesThatDoNotHoldTogether) {
  const auto twice =
      parse_scenario(with_line(12, "    - {name: a100-2, cpu: 1, memory: 1Gi}"), "s.yaml");
  ASSERT_TRUE(twice);
  const auto cluster = make_cluster(*twice, "");
  ASSERT_FALSE(cluster);
  EXPECT_EQ(cluster.error().message,
            "s.yaml:12: cluster.nodes: found two nodes named 'a100-2', expected each name once");
  const auto unknown = parse_scenario(with_line(27, "  - {at: 1h, fail: a100-9}"), "s.yaml");
  ASSERT_TRUE(unknown);
  const auto events = make_events(*unknown, *make_cluster(*unknown, ""));
  ASSERT_FALSE(events);
  EXPECT_EQ(events.error().message,
            "s.yaml:27: events[0]: found the node 'a100-9', expected one of the cluster");
}

TEST(Scenario, AnAddedNodeNeedsAFreeName) {
  const auto events_of = [](const std::string& lines) {
    const auto scenario = parse_scenario(with_line(27, lines), "s.yaml");
    EXPECT_TRUE(scenario) << lines;
    return make_events(*scenario, *make_cluster(*scenario, ""));
  };
  const std::string add = "add: {name: a100-1, cpu: 1, memory: 1Gi}}";
  const auto taken = events_of("  - {at: 1h, " + add);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().message,
            "s.yaml:27: events[0].add: found the node 'a100-1', which is there already, expected "
            "another name");
  // Whatever their order in the file: the name is free from 1h on, once.
  EXPECT_TRUE(events_of("  - {at: 2h, " + add + "\n  - {at: 1h, remove: a100-1}"));
  EXPECT_FALSE(
      events_of("  - {at: 1h, remove: a100-1}\n  - {at: 2h, " + add + "\n  - {at: 3h, " + add));
  EXPECT_FALSE(events_of("  - {at: 2h, remove: a100-1}\n  - {at: 1h, " + add));
}

TEST(Scenario, PoissonArrivalsFollowTheSeed) {
  const auto scenario =
      parse_scenario(with_line(17, "      every: 1h\n      arrivals: poisson"), "s.yaml");
  ASSERT_TRUE(scenario);
  const auto maker = make_workload(*scenario, *make_cluster(*scenario, ""), "");
  ASSERT_TRUE(maker);
  EXPECT_EQ((*maker)(1).jobs, (*maker)(1).jobs);
  EXPECT_NE((*maker)(1).jobs, (*maker)(2).jobs);
}

TEST(Scenario, AMissingFileIsOneLine) {
  const auto scenario = load_scenario("no/such.yaml");
  ASSERT_FALSE(scenario);
  EXPECT_EQ(scenario.error().code, ErrorCode::bad_input);
  EXPECT_THAT(scenario.error().message, HasSubstr("no/such.yaml"));
}

TEST(Scenario, TheReferenceNamesEveryField) {
  const std::string reference = scenario_reference();
  for (const char* part :
       {"cluster.nodes[].gpu_sharing", "shared|whole|mig", "workload.jobs[].gpu_milli",
        "Thousandths of the GPU; below 1000 only with gpus: 1 [1000]", "queue", "[backfill]",
        "objectives[].metric", "events[].fail", "CPU cores [required]"}) {
    EXPECT_THAT(reference, HasSubstr(part));
  }
}

TEST(Duration, TextReadsBack) {
  for (const char* text : {"0s", "90us", "250ms", "1m30s", "1h30m", "3d", "36525d", "1d1us"}) {
    const auto duration = parse_duration(text);
    ASSERT_TRUE(duration) << text;
    EXPECT_EQ(duration_text(*duration), text);
  }
  EXPECT_EQ(parse_duration("90s").value(), parse_duration("1m30s").value());
  for (const char* text : {"", "s", "1", "1x", "1 s", "1s1m", "+1s", "1.5h", "36526d", "1h-1m"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(PlainText, WhatSomeReadersTakeForSomethingElse) {
  for (const char* text :
       {"", "~", "null", "True", "no", "Off", "y", "12", "-3", "010", "0x1F", "1e3", "1_000",
        "12:30:45", ".nan", "-.INF", "1.5", "2020-01-01", "+1"}) {
    EXPECT_FALSE(is_plain_text(text)) << text;
  }
  for (const char* text : {"a", "1.2.3", "10.0.0.1", "1g.10gb", "A100-80GB", "e1", "-", ".", "node",
                           "0xyz", "3d", "x86_64"}) {
    EXPECT_TRUE(is_plain_text(text)) << text;
  }
}

}  // namespace
}  // namespace plimsoll::cli
