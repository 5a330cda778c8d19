// What a simulation measures about its GPUs while time passes: allocation, utilisation, cost.
//
// All integrals are exact integers, so that they do not depend on how time was cut into events. The
// timeline has a bounded number of equal stretches: when it is full, neighbours are merged. Owned
// by one simulation; not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "base/units.h"
#include "model/node.h"
#include "model/pod.h"
#include "sim/simulator.h"

namespace plimsoll::sim {

class Meter {
 public:
  struct Setup {
    Time start;
    Duration expected_span;  // of the whole simulation: a hint for the timeline's first stretches
    std::int32_t points_max = 400;
  };
  explicit Meter(const Setup& setup);

  // Everything up to `now` counts with what is held at present. O(1), amortised.
  void advance(Time now);
  // Whether advance(now) will end a stretch of the timeline; it gets `fragmentation_percent`.
  [[nodiscard]] bool ends_stretch(Time now) const { return now.value() >= stretch_end_; }
  double fragmentation_percent = 0;

  // All of these happen at the time that advance() last got.
  void add_node(const model::Node& node);
  void remove_node(NodeId node);
  void set_ready(NodeId node, bool ready);  // GPUs of nodes that are not ready are no capacity
  // What one pod holds, and how busy it keeps each GPU, in thousandths.
  struct Held {
    const model::Node& node;
    const model::PodSpec& spec;
    const model::Binding& binding;
    std::int32_t busy_milli = 1000;
  };
  void take(const Held& held) { move(held, 1); }
  void give(const Held& held) { move(held, -1); }
  void add_pending(std::int64_t jobs) { pending_ += jobs; }

  // Fills the means, the cost, the timeline and the GPUs. The last call.
  void report(SimResult& result);

 private:
  using Wide = __int128;
  struct GpuMeter {
    std::int64_t held = 0;      // thousandths
    std::int64_t integral = 0;  // thousandths x microseconds
    std::int64_t since = 0;
  };
  struct NodeMeter {
    bool present = false;
    bool ready = false;
    std::int64_t added = 0;
    std::int64_t price = 0;
    std::int64_t cores = 0;  // millicores that it offers
    GpuMeter cpu;            // used where there are no GPUs
    std::vector<GpuMeter> gpus;
  };
  struct Stretch {
    Wide held = 0;
    Wide busy = 0;
    Wide capacity = 0;
    Wide pending = 0;
    std::int64_t length = 0;
    double fragmentation_percent = 0;
  };

  void move(const Held& pod, std::int64_t sign);
  void count(GpuMeter& meter, std::int64_t change) const;
  void accumulate(std::int64_t length);
  void halve();
  void settle(NodeMeter& node);

  std::int64_t start_;
  std::int64_t now_;
  std::int64_t width_;
  std::int64_t stretch_end_;
  std::size_t points_max_;
  std::vector<Stretch> stretches_;  // the last one is open
  std::vector<NodeMeter> nodes_;
  std::int64_t held_ = 0;      // thousandths of GPUs
  std::int64_t busy_ = 0;      // the same x thousandths busy
  std::int64_t capacity_ = 0;  // thousandths of GPUs, of ready nodes
  std::int64_t pending_ = 0;
  double cost_usd_ = 0;
  double idle_usd_ = 0;
};

}  // namespace plimsoll::sim
