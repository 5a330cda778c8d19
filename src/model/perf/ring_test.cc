#include "model/perf/ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"

namespace plimsoll::model::perf {
namespace {

RingHost host(std::int32_t gpus, const char* rack = "r1", const char* block = "b1",
              const char* zone = "z1") {
  return {{.zone = zone, .block = block, .rack = rack}, gpus};
}

TEST(Ring, ByHand) {
  const Bytes gigabyte(1'000'000'000);
  struct Case {
    const char* gpu;
    std::vector<RingHost> hosts;
    double expected;
  };
  const Case cases[] = {
      {"A100-80GB", {host(1)}, 0.1},
      // 2 x 7 hops of NVLink; 1 GB x 2 x 7/8 over 240 GB/s.
      {"A100-80GB", {host(8)}, 0.1 + 8.4e-6 + 14 * 3.4e-6 + 1.75e9 / 240e9},
      {"T4", {host(4)}, 0.1 + 8.4e-6 + 6 * 5.7e-6 + 1.5e9 / 12e9},
      // Two hosts: 2 of the 6 hops go between them, and the interface is the slowest link.
      {"A100-80GB", {host(2), host(2)}, 0.1 + 8.4e-6 + 4 * 3.4e-6 + 2 * 14e-6 + 1.5e9 / 12e9},
      {"A100-80GB", {host(1), host(1, "r2", "b2")}, 0.1 + 8.4e-6 + 2 * 14e-6 + 1e9 / 6e9},
      {"A100-80GB", {host(1), host(1, "r1", "b1", "z2")}, 0.1 + 8.4e-6 + 2 * 14e-6 + 1e9 / 3e9},
  };
  for (const Case& c : cases) {
    EXPECT_NEAR(ring_step_seconds({}, {0.1, gigabyte, c.gpu}, c.hosts), c.expected, 1e-12)
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
    const RingJob job{0.05, Bytes(static_cast<std::int64_t>(1 + random.below(1'000'000'000))),
                      random.below(2) == 0 ? "H100-80GB" : "L4"};
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

TEST(Ring, NvLinkIsKnownByTheModelsFirstLetters) {
  EXPECT_EQ(nvlink_bandwidth("A100-40GB"), 240e9);
  EXPECT_EQ(nvlink_bandwidth("H100"), 18 * 20.6e9);
  EXPECT_EQ(nvlink_bandwidth("T4"), 0);
  EXPECT_EQ(nvlink_bandwidth(""), 0);
}

}  // namespace
}  // namespace plimsoll::model::perf
