// A cluster as a Snapshot: read from a live one, once and without a write, or from a file.
//
// What `snapshot`, `plan` and `explain` share. One owner each; not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/live/connect.h"
#include "cli/live/log.h"
#include "cli/options.h"
#include "kube/world/world.h"
#include "model/snapshot.h"

namespace plimsoll::cli {

struct ClusterFlags {
  ConnectFlags connect;
  std::string scheduler_name = "plimsoll";

  void declare(Options& options);
};

// In this order: what comes later refers to what comes before.
struct LiveCluster {
  std::unique_ptr<Logger> log;
  std::unique_ptr<kube::Client> client;
  std::unique_ptr<kube::KubeWorld> world;  // read-only
  model::Snapshot snapshot;                // as it was once everything had been listed
};

// Errors: a kubeconfig that cannot be used (bad_input); a server that cannot be reached or does not
// let us read; Ctrl-C.
Result<LiveCluster> read_cluster(const ClusterFlags& flags, std::string user_agent);

Result<std::string> snapshot_bytes(const model::Snapshot& snapshot);
// Errors: bad_input, with the file's name.
Result<model::Snapshot> load_snapshot(const std::string& path);

struct SnapshotCounts {
  std::size_t nodes = 0;
  std::size_t gpus = 0;
  std::int64_t gpu_milli = 0;            // of all GPUs
  std::int64_t gpu_milli_allocated = 0;  // that bound pods hold
  std::size_t pods_bound = 0;
  std::size_t pods_pending = 0;
  std::size_t gangs = 0;
  std::size_t gangs_pending = 0;  // with fewer members bound than they need, and some that wait
};
SnapshotCounts count(const model::Snapshot& snapshot);

// "NAMESPACE/NAME" of a pod.
std::string pod_key(const model::Snapshot& snapshot, PodId pod);
// "1" and "12" for whole GPUs, "0.5" for parts.
std::string gpus_text(std::int64_t milli);
std::string plural(std::size_t count, std::string_view noun);  // "1 node", "3 nodes"

}  // namespace plimsoll::cli
