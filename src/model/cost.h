// What a pod costs where it sits: its share of the node's price. Pure values.
#pragma once

#include "base/units.h"
#include "model/gpu.h"
#include "model/mig.h"
#include "model/node.h"
#include "model/resources.h"

namespace plimsoll::model {

class NodePrice {
 public:
  NodePrice() = default;  // costs nothing
  explicit NodePrice(const Node& node);

  // A pod that asks for GPUs takes the share of the node's GPUs that it holds, whatever else it
  // asks for: GPUs are what such a node is paid for. A part of a GPU counts by its thousandths, a
  // MIG instance by its memory slices. Other pods take the larger of their shares of the
  // allocatable cores and memory. The parts that nobody asks for cost nobody anything.
  [[nodiscard]] MicroUsdPerHour share(const Resources& requests, const GpuRequest& gpu) const;

 private:
  MicroUsdPerHour price_;
  Millicores cpu_;
  Bytes memory_;
  std::int64_t gpus_ = 0;
  const MigGeometry* geometry_ = nullptr;
};

}  // namespace plimsoll::model
