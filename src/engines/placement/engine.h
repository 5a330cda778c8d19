// The placement engine: which node, and which parts of which GPUs, a pod or a gang should get.
//
// Pure and deterministic. Its working state is built from a Snapshot and kept by Deltas, in dense
// arrays of integers, and always equals one rebuilt from scratch (`digest()`). Owned by one control
// loop; not thread-safe, and independent engines may run in parallel.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/plan.h"
#include "model/snapshot.h"

namespace plimsoll::placement {

struct ValueTable;  // value.h: the learned value of what a node could still hold

// One kind of pod that FGD expects, and how often it was seen.
struct TypicalPod {
  model::PodSpec spec;
  std::int64_t count = 1;
};

// What a pod merely prefers is weighed against where a policy would put it: each part is a score
// of 0 to 100 among the nodes that could take the pod, and the best weighted sum wins. The numbers
// are those of kube-scheduler's default profile; `policy` has that of NodeResourcesFit.
struct Weights {
  std::int64_t policy = 1;
  std::int64_t taints = 3;  // PreferNoSchedule
  std::int64_t node_affinity = 2;
  std::int64_t spread = 2;  // ScheduleAnyway
  std::int64_t pod_affinity = 2;
};

struct Config {
  std::string policy = "plimsoll";          // a name in policies()
  std::uint64_t seed = 1;                   // of the tie permutation and of random policies
  std::vector<TypicalPod> typical;          // for policy "fgd"
  std::shared_ptr<const ValueTable> table;  // for "plimsoll"; none: the shipped one. Shared by runs
  Weights weights;
  std::size_t index_bytes_max = std::size_t{1} << 30;  // memory for per-spec candidate indexes
};

struct Choice {
  model::Binding binding;
  std::int64_t score = 0;  // the policy's; of a pod with preferences, the weighted sum
  std::vector<model::Alternative> rejected;  // filled by whoever explains: runners_up()
};

// A point to roll back to. Marks nest: the last one taken is the first one settled.
struct Mark {
  std::size_t depth = 0;
};

class Engine {
 public:
  // Errors: an unknown policy (the message lists those that exist), an inconsistent snapshot.
  static Result<Engine> make(const model::Snapshot& snapshot, Config config);
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  // Follows a change of the world. A PodBound that matches an assumed binding confirms it.
  // O(what changed); a node that is new costs O(specs), one that changed O(specs + pods).
  Result<void> apply(const model::Delta& delta);

  // The best feasible place for one more pod of `spec`, or none. Changes nothing that can be seen.
  // O(nodes changed since this spec last asked + log), and O(nodes) the first time and where the
  // spec prefers some nodes to others.
  std::optional<Choice> find(SpecId spec);

  // As find, among nodes for which `allowed[node.index()]` holds. O(nodes).
  std::optional<Choice> find_within(SpecId spec, const std::vector<bool>& allowed);

  // How many more pods of `spec` each node could take, up to `most` (selectors, taints, resources
  // and GPUs; not affinity between pods). O(nodes x most).
  std::vector<std::int32_t> capacities(SpecId spec, std::int32_t most) const;

  std::int32_t capacity_on(SpecId spec, NodeId node, std::int32_t most) const;  // O(most)

  // The best parts of GPUs for one more pod of `spec` on `node`, or none if it does not fit.
  std::optional<Choice> find_on(SpecId spec, NodeId node);

  // The next best nodes after `chosen` for one more pod of `spec`, best first, at most `most`, with
  // the scores that they lost with. Empty under policies that score no node by itself. O(nodes).
  std::vector<model::Alternative> runners_up(SpecId spec, NodeId chosen, std::size_t most);

  // Takes and gives back what a binding holds, ahead of the world. O(1).
  void assume(PodId pod, SpecId spec, const model::Binding& binding);  // Requires: it fits
  void forget(PodId pod);                                              // Requires: it was assumed

  // Candidate plans are transactions over assume and forget. O(what was done since).
  Mark checkpoint();
  void roll_back(Mark mark);  // restores every byte of the state
  void commit(Mark mark);

  // Why no node takes `spec` now, node by node. O(nodes).
  std::vector<model::Refusal> explain(SpecId spec) const;
  // The same with their names: nodes that would take it are not among them.
  std::vector<std::pair<NodeId, model::Refusal>> explain_by_node(SpecId spec) const;
  std::int32_t node_count() const;
  // As last told; its id is none() where it is gone. Requires: it was once there.
  const model::Node& node(NodeId node) const;
  const model::PodSpec& spec(SpecId spec) const;  // Requires: it was added
  // Whether where other pods are decides where one of `spec` may go: by its own affinity, spread or
  // claims, or by their anti-affinity.
  bool heeds_pods(SpecId spec) const;

  // SHA-256 over the whole working state, in ids' order. For tests and journals. O(state).
  std::string digest() const;

  // FGD's fragmentation: GPU thousandths free, and those of them that a typical pod cannot use,
  // in expectation. O(nodes x typical).
  struct Fragmentation {
    double free_milli = 0;
    double fragmented_milli = 0;
  };
  Fragmentation fragmentation() const;

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// A policy of the registry: its name, and one line of help.
struct PolicyInfo {
  const char* name;
  const char* help;
};
std::vector<PolicyInfo> policies();

}  // namespace plimsoll::placement
