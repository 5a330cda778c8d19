#include "tests/campaigns/chaos.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/random.h"

namespace plimsoll::campaigns {
namespace {

template <typename T, std::size_t n>
const T& one_of(Random& random, const std::array<T, n>& items) {
  return items[random.below(n)];
}

model::Node random_node(Random& random, std::uint32_t id, const ChaosOptions& options) {
  model::Node node;
  node.id = NodeId(id);
  node.name = "node-" + std::to_string(id);
  node.topology = {.zone = "z" + std::to_string(random.below(2)),
                   .rack = "r" + std::to_string(random.below(3))};
  model::set_label(node.labels, "rack", node.topology.rack);
  const std::int64_t gpus = options.exact ? 4 : one_of(random, std::array{0, 1, 2, 4, 8});
  const bool mig = options.mig && !options.exact && random.below(4) == 0;
  node.allocatable = {
      .cpu = Millicores(options.exact ? 64'000 : 8'000 + 1000 * random.below(57)),
      .memory = gibibyte * static_cast<std::int64_t>(options.exact ? 512 : 32 + random.below(224)),
      .ephemeral_storage = gibibyte * 100,
      .pods = options.exact ? 110 : static_cast<std::int64_t>(3 + random.below(20)),
  };
  if (random.below(2) == 0 && !options.exact) {
    node.allocatable.extended = {{"rdma/hca", 2}};
  }
  node.capacity = node.allocatable;
  for (std::int64_t g = 0; g < gpus; ++g) {
    node.gpus.push_back({.model = "A100-80GB",
                         .memory = gibibyte * 80,
                         .sharing = mig ? model::GpuSharing::mig : model::GpuSharing::shared});
  }
  if (!mig && gpus > 0 && random.below(4) == 0 && !options.exact) {
    for (model::Gpu& gpu : node.gpus) {
      gpu.model = "T4";
      gpu.memory = gibibyte * 16;
    }
  }
  if (!options.exact && random.below(6) == 0) {
    node.taints = {{.key = "dedicated", .value = "team"}};
  }
  node.price = MicroUsdPerHour(1'000'000 * (1 + gpus));
  return node;
}

model::PodSpec random_spec(Random& random, const ChaosOptions& options) {
  model::PodSpec spec;
  spec.labels = {{"app", "a" + std::to_string(random.below(3))}};
  spec.requests = {.cpu = Millicores(100 + 100 * static_cast<std::int64_t>(random.below(40))),
                   .memory = mebibyte * static_cast<std::int64_t>(128 + random.below(8000))};
  if (options.exact) {
    spec.gpu.count = static_cast<std::int32_t>(1 + random.below(4));
    return spec;
  }
  switch (random.below(options.mig ? 5 : 4)) {
    case 0:
      break;
    case 1:
      spec.gpu = {.count = 1,
                  .milli = GpuMilli(100 * static_cast<std::int64_t>(1 + random.below(9)))};
      break;
    case 4:
      spec.gpu = {.count = 1,
                  .mig_profile =
                      one_of(random, std::array<std::string, 3>{"1g.10gb", "2g.20gb", "3g.40gb"})};
      break;
    default:
      spec.gpu.count = static_cast<std::int32_t>(1 + random.below(4));
  }
  if (random.below(8) == 0) {
    spec.requests.extended = {{"rdma/hca", 1}};
  }
  if (random.below(6) == 0) {
    spec.tolerations = {{.key = "dedicated", .op = model::TolerationOperator::exists}};
  }
  if (spec.gpu.count > 0 && spec.gpu.mig_profile.empty() && random.below(6) == 0) {
    spec.gpu.models = {"T4"};
  }
  if (random.below(10) == 0) {
    spec.node_selector = {{"rack", "r1"}};
  }
  if (random.below(10) == 0) {
    spec.anti_affinity = {
        {.selector = {{.key = "app", .values = {spec.labels[0].second}}}, .topology_key = "rack"}};
  }
  return spec;
}

}  // namespace

Chaos make_chaos(std::uint64_t seed, const ChaosOptions& options) {
  Random random(seed);
  Chaos chaos;
  const std::size_t nodes = 2 + random.below(8);
  for (std::uint32_t i = 0; i < nodes; ++i) {
    chaos.cluster.nodes.push_back(random_node(random, i, options));
  }
  const std::size_t specs = 2 + random.below(6);
  for (std::size_t i = 0; i < specs; ++i) {
    chaos.workload.specs.push_back(random_spec(random, options));
  }
  const std::size_t jobs = 20 + random.below(100);
  Time at;
  for (std::size_t i = 0; i < jobs; ++i) {
    if (random.below(3) > 0) {  // the others arrive at the same instant as the one before
      at = at + seconds(random.exponential(30));
    }
    model::Job job{.name = "job-" + std::to_string(i),
                   .tenant = "team-" + std::to_string(random.below(3)),
                   .submitted = at,
                   .spec = SpecId(static_cast<std::uint32_t>(random.below(specs))),
                   .duration = seconds(1 + random.exponential(120))};
    if (random.below(3) == 0) {
      job.members = static_cast<std::int32_t>(2 + random.below(4));
      if (random.below(4) == 0 && !options.exact) {
        job.required_level = model::TopologyLevel::rack;
      }
    }
    if (random.below(10) == 0 && !options.exact) {
      job.duration = {};
    }
    job.gpu_utilization_milli = static_cast<std::int32_t>(random.below(1001));
    chaos.workload.jobs.push_back(std::move(job));
  }
  control::SchedulerConfig& scheduler = chaos.config.scheduler;
  scheduler.queue =
      one_of(random, std::array<std::string, 6>{"fifo", "skip", "shortest_first", "backfill",
                                                "shortest_backfill", "arrival"});
  scheduler.placement.policy =
      one_of(random, std::array<std::string, 4>{"plimsoll", "vanilla", "best_fit", "random"});
  scheduler.placement.seed = seed;
  scheduler.gangs.rule = one_of(
      random, std::array<std::string, 5>{"plimsoll", "kueue", "spread", "best_fit", "by_pod"});
  if (!options.faults) {
    return chaos;
  }
  if (random.below(2) == 0) {
    chaos.config.checkpoint_interval = seconds(std::int64_t{10});
  }
  if (random.below(2) == 0) {
    chaos.config.bind_failures_per_million = 100'000;
    chaos.config.fault_seed = seed;
  }
  const std::size_t events = random.below(20);
  for (std::size_t i = 0; i < events; ++i) {
    sim::NodeEvent event{.at = Time(static_cast<std::int64_t>(
                             random.below(static_cast<std::uint64_t>(at.value()) + 1)))};
    event.kind =
        one_of(random, std::array{sim::NodeEvent::Kind::add, sim::NodeEvent::Kind::remove,
                                  sim::NodeEvent::Kind::fail, sim::NodeEvent::Kind::fail,
                                  sim::NodeEvent::Kind::recover, sim::NodeEvent::Kind::recover});
    event.target = NodeId(static_cast<std::uint32_t>(random.below(nodes + 2)));
    event.node = random_node(random, static_cast<std::uint32_t>(nodes + i), options);
    chaos.config.node_events.push_back(std::move(event));
  }
  std::ranges::stable_sort(chaos.config.node_events, {}, &sim::NodeEvent::at);
  return chaos;
}

}  // namespace plimsoll::campaigns
