#include "model/perf/ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"

namespace plimsoll::model::perf {
namespace {

RingHost host(std::int32_t gpus, const char* rack = "r1", const char* block = "b1",
              const char* zone = "z1") {
  return {{.zone = zone, .block = block, .rack = rack}, gpus, ""};
}

TEST(Ring, ByHand) {
  const Bytes gigabyte(1'000'000'000);
  struct Case {
    const char* gpu;
    std::vector<RingHost> hosts;
    double expected;
  };
  Case cases[] = {
      {"A100-80GB", {host(1)}, 0.1},
      // 2 x 7 hops of NVLink; 1 GB x 2 x 7/8 over 240 GB/s.
      {"A100-80GB", {host(8)}, 0.1 + 8.4e-6 + 14 * 3.4e-6 + 1.75e9 / 240e9},
      {"T4", {host(4)}, 0.1 + 8.4e-6 + 6 * 5.7e-6 + 1.5e9 / 12e9},
      // Two hosts: 2 of the 6 hops go between them, and the interface is the slowest link.
      {"A100-80GB", {host(2), host(2)}, 0.1 + 8.4e-6 + 4 * 3.4e-6 + 2 * 14e-6 + 1.5e9 / 12e9},
      {"A100-80GB", {host(1), host(1, "r2", "b2")}, 0.1 + 8.4e-6 + 2 * 14e-6 + 1e9 / 6e9},
      {"A100-80GB", {host(1), host(1, "r1", "b1", "z2")}, 0.1 + 8.4e-6 + 2 * 14e-6 + 1e9 / 3e9},
  };
  for (Case& c : cases) {
    for (RingHost& h : c.hosts) h.gpu_model = c.gpu;
    EXPECT_NEAR(ring_step_seconds({}, {0.1, gigabyte}, c.hosts), c.expected, 1e-12)
        << c.gpu << " on " << c.hosts.size() << " hosts";
  }
}

TEST(Ring, FartherIsNeverFasterAndOrderNeverMatters) {
  Random random(11);
  const char* names[] = {"a", "b", "c"};
  for (int round = 0; round < 500; ++round) {
    std::vector<RingHost> hosts;
    for (std::uint64_t i = 0; i < 2 + random.below(5); ++i) {
      hosts.push_back(host(static_cast<std::int32_t>(1 + random.below(8)), names[random.below(3)],
                           names[random.below(2)], names[random.below(2)]));
    }
    const char* model = random.below(2) == 0 ? "H100-80GB" : "L4";
    for (RingHost& h : hosts) h.gpu_model = model;
    const RingJob job{0.05, Bytes(static_cast<std::int64_t>(1 + random.below(1'000'000'000)))};
    const double here = ring_step_seconds({}, job, hosts);
    std::vector<RingHost> shuffled = hosts;
    random.shuffle(std::span(shuffled));
    EXPECT_DOUBLE_EQ(ring_step_seconds({}, job, shuffled), here);
    RingJob heavier = job;
    heavier.gradients = job.gradients * 2;
    EXPECT_GT(ring_step_seconds({}, heavier, hosts), here);
    std::vector<RingHost> together = hosts;
    for (RingHost& h : together) h.topology = hosts.front().topology;
    EXPECT_LE(ring_step_seconds({}, job, together), here);
    std::vector<RingHost> farther = hosts;
    farther.back().topology.zone = "far away";
    EXPECT_GE(ring_step_seconds({}, job, farther), here);
  }
}

// What the placement engine's search rests on.
TEST(Ring, GrowsWithUnitsAndWithWhatTheyCross) {
  const TopologyLevel wider[] = {TopologyLevel::none, TopologyLevel::rack, TopologyLevel::block,
                                 TopologyLevel::zone};
  Random random(12);
  for (int round = 0; round < 300; ++round) {
    const RingJob job{1e-4, Bytes(static_cast<std::int64_t>(1 + random.below(1'000'000'000)))};
    const auto gpus = static_cast<std::int32_t>(2 + random.below(30));
    const double nvlink = random.below(2) == 0 ? 0 : 240e9;
    for (std::size_t level = 0; level < std::size(wider); ++level) {
      for (std::int32_t units = 2; units <= gpus; ++units) {
        const RingShape shape{gpus, units, wider[level], nvlink};
        const double here = ring_step_seconds({}, job, shape);
        EXPECT_GT(here,
                  ring_step_seconds({}, job, RingShape{gpus, units - 1, wider[level], nvlink}));
        if (level > 0) {
          EXPECT_GE(here,
                    ring_step_seconds({}, job, RingShape{gpus, units, wider[level - 1], nvlink}));
        }
        EXPECT_LE(ring_step_seconds({}, job, RingShape{gpus, units, wider[level], 370e9}), here);
      }
    }
  }
}

TEST(Ring, HostsOfOneNvLinkDomainAreOneUnit) {
  const auto in_domain = [](const char* domain, const char* model) {
    RingHost h = host(4);
    h.topology.nvlink_domain = domain;
    h.gpu_model = model;
    return h;
  };
  const RingHost one[] = {in_domain("d", "GB200"), in_domain("d", "GB200")};
  EXPECT_EQ(ring_shape(one), (RingShape{8, 1, TopologyLevel::none, 18 * 40.1e9}));
  const RingJob job{0.1, Bytes(1'000'000'000)};
  EXPECT_NEAR(ring_step_seconds({}, job, one), 0.1 + 8.4e-6 + 14 * 3.4e-6 + 1.75e9 / (18 * 40.1e9),
              1e-12);
  const RingHost two[] = {in_domain("d", "GB200"), in_domain("e", "GB200")};
  EXPECT_EQ(ring_shape(two).units, 2);
  const RingHost unnamed[] = {in_domain("", "GB200"), in_domain("", "GB200")};
  EXPECT_EQ(ring_shape(unnamed).units, 2);
  const RingHost without[] = {in_domain("d", "T4"), in_domain("d", "GB200"), in_domain("d", "T4"),
                              in_domain("d", "GB200")};
  EXPECT_EQ(ring_shape(without), (RingShape{16, 3, TopologyLevel::none, 0}));
}

TEST(Ring, TheBestStepIsOnTheFewestUnitsThatAClusterCouldOffer) {
  const std::string models[] = {"A100-80GB"};
  RingHost small = host(8, "r1");
  small.gpu_model = "A100-80GB";
  RingHost slow = host(16, "r2");
  slow.gpu_model = "T4";
  const RingHost hosts[] = {small, slow, small};
  EXPECT_EQ(ring_kinds(hosts, models), (std::vector<RingKind>{{240e9, 8}}));
  EXPECT_EQ(ring_kinds(hosts, {}), (std::vector<RingKind>{{240e9, 8}, {0, 16}}));
  const RingJob job{0.1, Bytes(1'000'000'000)};
  // 16 GPUs: two A100 hosts in one rack, or one T4 host.
  EXPECT_EQ(best_ring_seconds({}, job, 16, ring_kinds(hosts, models)),
            ring_step_seconds({}, job, RingShape{16, 2, TopologyLevel::none, 240e9}));
  const RingKind t4[] = {{0, 16}};
  const double on_t4 = ring_step_seconds({}, job, RingShape{16, 1, TopologyLevel::none, 0});
  EXPECT_EQ(best_ring_seconds({}, job, 16, t4), on_t4);
  EXPECT_EQ(best_ring_seconds({}, job, 16, ring_kinds(hosts, {})),
            std::min(on_t4, best_ring_seconds({}, job, 16, ring_kinds(hosts, models))));
  EXPECT_EQ(best_ring_seconds({}, job, 16, {}), 0.1);
}

TEST(Ring, NvLinkIsKnownByTheModelsFirstLetters) {
  EXPECT_EQ(nvlink_bandwidth("A100-40GB"), 240e9);
  EXPECT_EQ(nvlink_bandwidth("H100"), 18 * 20.6e9);
  EXPECT_EQ(nvlink_bandwidth("GB200-186GB"), 18 * 40.1e9);
  EXPECT_EQ(nvlink_bandwidth("T4"), 0);
  EXPECT_EQ(nvlink_bandwidth(""), 0);
}

}  // namespace
}  // namespace plimsoll::model::perf
