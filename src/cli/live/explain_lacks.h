// What one node lacks to take one more pod: read off a snapshot, and checked with the engine by
// whoever asks. Pure; values.
#pragma once

#include <string>
#include <vector>

#include "model/snapshot.h"

namespace plimsoll::cli {

// What is left on a node.
struct NodeRoom {
  std::int64_t cpu = 0;
  std::int64_t memory = 0;
  std::int64_t ephemeral_storage = 0;
  std::int64_t pods = 0;
  std::int32_t gpus = 0;  // whole ones that nobody holds a part of
  std::vector<std::pair<std::string, std::int64_t>> extended;  // sorted by name
};
std::vector<NodeRoom> rooms_of(const model::Snapshot& snapshot);  // by node; O(pods)

struct Lacks {
  std::vector<std::string> lines;  // "2 GPUs", "label zone=a", "a toleration of its taint x=y"
  // For an order of nodes, the nearest first: rules of the node, then GPUs, then other resources.
  std::int32_t rules = 0;
  std::int32_t gpus = 0;
  std::int32_t resources = 0;
  model::Node changed;  // the node, if it had all of that
};
// Node states, labels, taints, slots, resources and whole GPUs; what depends on other pods, parts
// of GPUs and MIG is not looked at.
Lacks lacks_of(const model::PodSpec& spec, const model::Node& node, const NodeRoom& room);

}  // namespace plimsoll::cli
