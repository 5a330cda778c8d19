// A node: what it offers, where it stands, what it costs. A value.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/gpu.h"
#include "model/ids.h"
#include "model/labels.h"
#include "model/resources.h"

namespace plimsoll::model {

enum class TaintEffect : std::uint8_t { no_schedule, prefer_no_schedule, no_execute };

struct Taint {
  std::string key;
  std::string value;
  TaintEffect effect = TaintEffect::no_schedule;

  friend bool operator==(const Taint&, const Taint&) = default;
};

// From the widest to the narrowest. `host` is the node itself.
enum class TopologyLevel : std::uint8_t { none, zone, block, rack, nvlink_domain, host };

// The domains above a node, widest first. Empty: unknown. A name counts inside its parent only.
struct TopologyPath {
  std::string zone;
  std::string block;
  std::string rack;
  std::string nvlink_domain;

  friend auto operator<=>(const TopologyPath&, const TopologyPath&) = default;
};

enum class CapacityType : std::uint8_t { on_demand, spot, reserved };

struct Node {
  NodeId id;
  std::string name;
  Labels labels;
  std::vector<Taint> taints;
  Resources capacity;
  Resources allocatable;
  // How many distinct volumes each driver attaches at most; sorted by driver, drivers unique.
  std::vector<std::pair<std::string, std::int64_t>> attach_limits;
  std::vector<Gpu> gpus;
  TopologyPath topology;
  std::string pool;
  CapacityType capacity_type = CapacityType::on_demand;
  MicroUsdPerHour price;
  bool ready = true;
  bool unschedulable = false;  // cordoned

  friend bool operator==(const Node&, const Node&) = default;
};

}  // namespace plimsoll::model
