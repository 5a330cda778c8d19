#include "cli/live/snapshot_read.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>
#include <vector>

#include "cli/parallel.h"
#include "model/file.h"
#include "sim/ledger.h"
#include "traces/load.h"

namespace plimsoll::cli {
namespace {

constexpr std::chrono::seconds sync_deadline{60};

// What the pod holds of its node's GPUs; those of unknown index are like the node's first.
std::int64_t held_milli(const model::Snapshot& snapshot, const model::Pod& pod) {
  const std::vector<model::Gpu>& gpus = snapshot.nodes[pod.binding->node.index()].gpus;
  std::int64_t milli = 0;
  for (const model::GpuShare& share : pod.binding->gpus) {
    const auto index = static_cast<std::size_t>(std::max(share.index, 0));
    if (index < gpus.size()) {
      milli += sim::held_milli(gpus[index], snapshot.specs[pod.spec.index()], share);
    }
  }
  return milli;
}

}  // namespace

void ClusterFlags::declare(Options& options) {
  connect.declare(options);
  options.text("--scheduler-name", scheduler_name,
               "Pending pods count whose spec.schedulerName is this", "NAME");
}

Result<LiveCluster> read_cluster(const ClusterFlags& flags, std::string user_agent) {
  LiveCluster cluster;
  // What goes wrong for good is the command's own error.
  cluster.log = std::make_unique<Logger>(LogFormat::text, kube::LogLevel::error);
  cluster.client = TRY(connect(flags.connect, *cluster.log, std::move(user_agent)));
  cluster.world = TRY(kube::KubeWorld::make(
      *cluster.client, {.store = {.scheduler_names = {flags.scheduler_name}}, .read_only = true}));
  TRY_VOID(
      cluster.world->wait_synced(sync_deadline, [] { return process_stop_flag().requested(); }));
  cluster.snapshot = cluster.world->snapshot();
  std::vector<model::Delta> deltas;
  TRY_VOID(cluster.world->observe(deltas));
  for (const model::Delta& delta : deltas) {
    TRY_VOID(model::apply(cluster.snapshot, delta));
  }
  cluster.snapshot.now = cluster.world->now();
  return cluster;
}

Result<std::string> snapshot_bytes(const model::Snapshot& snapshot) {
  std::string bytes;
  TRY_VOID(model::encode_snapshot(snapshot, [&](std::string_view more) -> Result<void> {
    bytes += more;
    return {};
  }));
  return bytes;
}

Result<model::Snapshot> load_snapshot(const std::string& path) {
  const std::string bytes = TRY(traces::load(path));
  model::SnapshotDecoder decoder(path);
  TRY_VOID(decoder.feed(bytes));
  return decoder.finish();
}

SnapshotCounts count(const model::Snapshot& snapshot) {
  SnapshotCounts counts;
  for (const model::Node& node : snapshot.nodes) {
    counts.nodes += node.id.valid() ? 1 : 0;
    counts.gpus += node.gpus.size();
  }
  counts.gpu_milli = static_cast<std::int64_t>(counts.gpus) * whole_gpu.value();
  struct Members {
    std::int32_t bound = 0;
    std::int32_t pending = 0;
  };
  std::vector<Members> members(snapshot.gangs.size());
  for (const model::Pod& pod : snapshot.pods) {
    if (!pod.id.valid()) {
      continue;
    }
    ++(pod.binding ? counts.pods_bound : counts.pods_pending);
    if (pod.binding) {
      counts.gpu_milli_allocated += held_milli(snapshot, pod);
    }
    if (pod.gang.valid()) {
      Members& of = members[pod.gang.index()];
      ++(pod.binding ? of.bound : of.pending);
    }
  }
  for (const model::Gang& gang : snapshot.gangs) {
    if (gang.id.valid()) {
      const Members& of = members[gang.id.index()];
      ++counts.gangs;
      counts.gangs_pending += of.pending > 0 && of.bound < gang.min_members ? 1 : 0;
    }
  }
  return counts;
}

std::string pod_key(const model::Snapshot& snapshot, PodId pod) {
  const model::Pod& named = snapshot.pods[pod.index()];
  return fmt::format("{}/{}", snapshot.specs[named.spec.index()].name_space, named.name);
}

std::string gpus_text(std::int64_t milli) {
  std::string text = fmt::format("{}.{:03}", milli / 1000, milli % 1000);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) {
    text.pop_back();
  }
  return text;
}

std::string plural(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace plimsoll::cli
