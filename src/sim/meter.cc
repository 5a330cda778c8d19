#include "sim/meter.h"

#include <algorithm>

#include "sim/ledger.h"

namespace plimsoll::sim {
namespace {

constexpr double micro_usd_hours_per_usd = 1e6 * 3600e6;  // micro-dollars an hour x microseconds

double ratio(__int128 part, __int128 whole_part) {
  return whole_part == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole_part);
}

}  // namespace

Meter::Meter(const Setup& setup)
    : start_(setup.start.value()),
      now_(start_),
      points_max_(static_cast<std::size_t>(std::max(2, setup.points_max / 2 * 2))) {
  width_ = std::max<std::int64_t>(
      1000, setup.expected_span.value() / static_cast<std::int64_t>(points_max_));
  stretch_end_ = start_ + width_;
  stretches_.emplace_back();
}

void Meter::accumulate(std::int64_t length) {
  Stretch& open = stretches_.back();
  open.held += static_cast<Wide>(held_) * length;
  open.busy += static_cast<Wide>(busy_) * length;
  open.capacity += static_cast<Wide>(capacity_) * length;
  open.pending += static_cast<Wide>(pending_) * length;
  open.length += length;
  open.fragmentation_percent = fragmentation_percent;
}

void Meter::advance(Time to) {
  const std::int64_t now = to.value();
  while (now >= stretch_end_) {
    while (now - start_ >= width_ * static_cast<std::int64_t>(points_max_)) {
      halve();
    }
    if (now < stretch_end_) {
      break;
    }
    accumulate(stretch_end_ - now_);
    now_ = stretch_end_;
    stretch_end_ += width_;
    stretches_.emplace_back();
  }
  if (now > now_) {
    accumulate(now - now_);
    now_ = now;
  }
}

// Merges neighbouring stretches, so that each is twice as long.
void Meter::halve() {
  width_ *= 2;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < stretches_.size(); i += 2) {
    Stretch merged = stretches_[i];
    if (i + 1 < stretches_.size()) {
      const Stretch& next = stretches_[i + 1];
      merged.held += next.held;
      merged.busy += next.busy;
      merged.capacity += next.capacity;
      merged.pending += next.pending;
      merged.length += next.length;
      if (next.length > 0) {
        merged.fragmentation_percent = next.fragmentation_percent;
      }
    }
    stretches_[kept++] = merged;
  }
  stretches_.resize(kept);
  stretch_end_ = start_ + static_cast<std::int64_t>(kept) * width_;
}

void Meter::count(GpuMeter& meter, std::int64_t change) const {
  meter.integral += meter.held * (now_ - meter.since);
  meter.since = now_;
  meter.held += change;
}

void Meter::add_node(const model::Node& node) {
  if (nodes_.size() <= node.id.index()) {
    nodes_.resize(node.id.index() + 1);
  }
  NodeMeter& meter = nodes_[node.id.index()];
  meter = {.present = true,
           .added = now_,
           .price = node.price.value(),
           .cores = node.allocatable.cpu.value()};
  meter.cpu.since = now_;
  meter.gpus.resize(node.gpus.size(), {.since = now_});
  set_ready(node.id, node.ready);
}

void Meter::set_ready(NodeId node, bool ready) {
  NodeMeter& meter = nodes_[node.index()];
  if (meter.ready != ready) {
    meter.ready = ready;
    const auto gpus = static_cast<std::int64_t>(meter.gpus.size()) * whole_gpu.value();
    capacity_ += ready ? gpus : -gpus;
  }
}

// Adds what a node cost, up to now.
void Meter::settle(NodeMeter& meter) {
  const std::int64_t length = now_ - meter.added;
  const double cost =
      static_cast<double>(static_cast<Wide>(meter.price) * length) / micro_usd_hours_per_usd;
  Wide held = 0;
  Wide offered = 0;
  for (GpuMeter& gpu : meter.gpus) {
    count(gpu, 0);
    held += gpu.integral;
    offered += static_cast<Wide>(whole_gpu.value()) * length;
  }
  if (meter.gpus.empty()) {
    count(meter.cpu, 0);
    held = meter.cpu.integral;
    offered = static_cast<Wide>(meter.cores) * length;
  }
  cost_usd_ += cost;
  idle_usd_ += cost * (offered == 0 ? 1 : 1 - ratio(held, offered));
}

void Meter::remove_node(NodeId node) {
  set_ready(node, false);
  settle(nodes_[node.index()]);
  nodes_[node.index()] = {};
}

void Meter::move(const Held& pod, std::int64_t sign) {
  NodeMeter& meter = nodes_[pod.node.id.index()];
  if (meter.gpus.empty()) {
    count(meter.cpu, sign * pod.spec.requests.cpu.value());
  }
  for (const model::GpuShare& share : pod.binding.gpus) {
    const auto index = static_cast<std::size_t>(share.index);
    const std::int64_t held = sign * held_milli(pod.node.gpus[index], pod.spec, share);
    count(meter.gpus[index], held);
    held_ += held;
    busy_ += held * pod.busy_milli;
  }
}

void Meter::report(SimResult& result) {
  Stretch all;
  for (const Stretch& stretch : stretches_) {
    all.held += stretch.held;
    all.busy += stretch.busy;
    all.capacity += stretch.capacity;
  }
  const double now_percent = 100 * ratio(held_, capacity_);
  const double busy_percent = 100 * ratio(busy_, static_cast<Wide>(capacity_) * 1000);
  const bool no_time = all.capacity == 0;
  result.final_gpu_allocation_percent = now_percent;
  result.gpu_allocation_percent = no_time ? now_percent : 100 * ratio(all.held, all.capacity);
  result.gpu_utilization_percent =
      no_time ? busy_percent : 100 * ratio(all.busy, all.capacity * 1000);

  std::int64_t at = start_;
  for (const Stretch& stretch : stretches_) {
    if (stretch.length == 0) {
      continue;
    }
    result.timeline.push_back({
        .start_seconds = to_seconds(Duration(at)),
        .gpu_allocation_percent = 100 * ratio(stretch.held, stretch.capacity),
        .gpu_utilization_percent = 100 * ratio(stretch.busy, stretch.capacity * 1000),
        .fragmentation_percent = stretch.fragmentation_percent,
        .pending_jobs = ratio(stretch.pending, stretch.length),
    });
    at += stretch.length;
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    NodeMeter& node = nodes_[i];
    if (!node.present) {
      continue;
    }
    settle(node);
    for (std::size_t g = 0; g < node.gpus.size(); ++g) {
      const GpuMeter& gpu = node.gpus[g];
      const std::int64_t length = now_ - node.added;
      result.gpus.push_back({
          .node = NodeId(static_cast<std::uint32_t>(i)),
          .index = static_cast<std::int32_t>(g),
          .final_milli = static_cast<std::int32_t>(gpu.held),
          .mean_milli = length == 0 ? static_cast<double>(gpu.held) : ratio(gpu.integral, length),
      });
    }
  }
  result.cost_usd = cost_usd_;
  result.idle_cost_usd = idle_usd_;
}

}  // namespace plimsoll::sim
