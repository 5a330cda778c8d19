#include "model/plan.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace plimsoll::model {
namespace {

TEST(Plan, RefusalsReadAsKubeSchedulerSaysThem) {
  const struct {
    std::vector<Refusal> refusals;
    std::int32_t nodes_total;
    const char* text;
  } cases[] = {
      {{{RefusalCode::taint, "dedicated: gpu", 3}, {RefusalCode::gpu_memory, "", 12}},
       15,
       "0/15 nodes are available: 12 Insufficient GPU memory, "
       "3 node(s) had untolerated taint {dedicated: gpu}."},
      {{{RefusalCode::taint, "node.kubernetes.io/not-ready: ", 1}},
       1,
       "0/1 nodes are available: 1 node(s) had untolerated taint "
       "{node.kubernetes.io/not-ready: }."},
      {{}, 4, "0/4 nodes are available."},
      {{}, 0, "no nodes available to schedule pods"},
      {{{RefusalCode::cpu, "", 2}, {RefusalCode::cpu, "", 3}, {RefusalCode::memory, "", 0}},
       5,
       "0/5 nodes are available: 5 Insufficient cpu."},
      {{{RefusalCode::node_not_ready, "", 1},
        {RefusalCode::node_cordoned, "", 1},
        {RefusalCode::node_selector, "", 1},
        {RefusalCode::gpu_model, "A100-80GB", 1},
        {RefusalCode::too_many_pods, "", 1},
        {RefusalCode::cpu, "", 1},
        {RefusalCode::memory, "", 1},
        {RefusalCode::ephemeral_storage, "", 1},
        {RefusalCode::extended_resource, "rdma/hca", 1},
        {RefusalCode::gpu, "", 1},
        {RefusalCode::gpu_share, "500m", 1},
        {RefusalCode::mig_profile, "3g.40gb", 1},
        {RefusalCode::pod_affinity, "", 1},
        {RefusalCode::pod_anti_affinity, "", 1},
        {RefusalCode::topology_spread, "", 1},
        {RefusalCode::gang_topology, "rack", 1}},
       16,
       "0/16 nodes are available: 1 node(s) were not ready, 1 node(s) were unschedulable, "
       "1 node(s) didn't match Pod's node affinity/selector, "
       "1 node(s) didn't match Pod's GPU model A100-80GB, 1 Too many pods, 1 Insufficient cpu, "
       "1 Insufficient memory, 1 Insufficient ephemeral-storage, 1 Insufficient rdma/hca, "
       "1 Insufficient GPU, 1 Insufficient GPU share 500m, 1 Insufficient MIG profile 3g.40gb, "
       "1 node(s) didn't match pod affinity rules, 1 node(s) didn't match pod anti-affinity rules, "
       "1 node(s) didn't match pod topology spread constraints, "
       "1 node(s) were not in one rack domain with room for the whole gang."},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(to_string(c.refusals, c.nodes_total), c.text);
    auto turned = c.refusals;
    std::ranges::reverse(turned);
    EXPECT_EQ(to_string(turned, c.nodes_total), c.text) << "whatever order they come in";
  }
}

TEST(Plan, EqualCountsAreOrderedByCodeThenDetail) {
  EXPECT_EQ(to_string({{RefusalCode::gpu, "", 2},
                       {RefusalCode::taint, "b: 1", 2},
                       {RefusalCode::taint, "a: 1", 2},
                       {RefusalCode::cpu, "", 7}},
                      13),
            "0/13 nodes are available: 7 Insufficient cpu, 2 node(s) had untolerated taint {a: 1}, "
            "2 node(s) had untolerated taint {b: 1}, 2 Insufficient GPU.");
}

TEST(Plan, ReasonsAreOneLine) {
  const struct {
    Reason reason;
    const char* text;
  } cases[] = {
      {{.code = ReasonCode::best_score, .policy = "fgd", .score = -57},
       "best score -57 under policy fgd"},
      {{.code = ReasonCode::gang_step_time}, "least predicted step time of the gang"},
      {{.code = ReasonCode::no_room, .refusals = {{RefusalCode::memory, "", 9}}, .nodes_total = 9},
       "0/9 nodes are available: 9 Insufficient memory."},
      {{.code = ReasonCode::waiting_is_faster, .until = Time(12'345'678)},
       "waiting finishes the gang sooner than a start now; waits until 12.346 s"},
      {{.code = ReasonCode::behind_in_queue}, "kept back by the queue's order"},
      {{.code = ReasonCode::preempted}, "preempted by a pod of higher priority"},
      {{.code = ReasonCode::node_failed}, "its node failed"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(to_string(c.reason), c.text);
  }
}

}  // namespace
}  // namespace plimsoll::model
