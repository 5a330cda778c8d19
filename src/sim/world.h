// A virtual cluster behind the ports: the true state, and what happens to it.
//
// The control loop sees it through ports::World and ports::Clock, exactly as it sees a live
// cluster; the simulator moves time and lets jobs, nodes and faults come and go. Every change is
// emitted once, in order, as a Delta. A binding is re-checked against the true state and refused
// if it does not fit. Deterministic. Owned by one simulation; not thread-safe.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/snapshot.h"
#include "model/workload.h"
#include "ports/world.h"
#include "sim/ledger.h"

namespace plimsoll::sim {

class SimWorld final : public ports::World, public ports::Clock {
 public:
  // Errors: node ids that are not 0, 1, …
  static Result<SimWorld> make(const model::Cluster& cluster);

  // ports::World and ports::Clock. apply() carries out Bind and Evict; an evicted pod is gone, as
  // in Kubernetes. Refuse and Decline change nothing.
  model::Snapshot snapshot() override;
  Result<void> observe(std::vector<model::Delta>& changes) override;
  Result<void> apply(const model::Action& action) override;
  [[nodiscard]] Time now() const override { return truth_.now; }

  // The simulator's side. Ids are reused, the last freed first.
  void set_now(Time now) { truth_.now = now; }  // Requires: not before now()
  SpecId add_spec(model::PodSpec spec);
  GangId add_gang(model::Gang gang);  // `gang.id` is given here
  void remove_gang(GangId gang);
  PodId add_pod(std::string name, SpecId spec, GangId gang, TenantId tenant);
  void remove_pod(PodId pod);
  TenantId add_tenant(std::string name);
  NodeId add_node(model::Node node);  // `node.id` is given here
  // The node is gone or not ready, and its pods with it; they are returned, in ids' order.
  std::vector<PodId> remove_node(NodeId node);
  std::vector<PodId> fail_node(NodeId node);
  // Ready again, and empty.
  void recover_node(NodeId node);

  [[nodiscard]] const model::Snapshot& truth() const { return truth_; }
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }
  // In no particular order.
  [[nodiscard]] std::span<const PodId> pods_on(NodeId node) const { return pods_on_[node.index()]; }

 private:
  SimWorld() = default;

  Result<void> bind(const model::Bind& bind);
  std::vector<PodId> lose_pods(NodeId node);

  model::Snapshot truth_;
  Ledger ledger_;
  std::vector<std::vector<PodId>> pods_on_;   // by node
  std::vector<std::uint32_t> place_in_node_;  // by pod: its index in pods_on_
  std::vector<PodId> free_pods_;
  std::vector<GangId> free_gangs_;
  std::vector<NodeId> free_nodes_;
  std::vector<model::Delta> changes_;
};

}  // namespace plimsoll::sim
