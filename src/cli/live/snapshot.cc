// `plimsoll snapshot`: a live cluster as a file.
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/live/snapshot_read.h"
#include "cli/output.h"

namespace plimsoll::cli {

Result<int> snapshot(const std::vector<std::string>& arguments) {
  ClusterFlags flags;
  std::string out;
  Options options("plimsoll snapshot",
                  "Capture a live cluster in a file that plimsoll simulate and plimsoll plan read; "
                  "writes nothing to the cluster",
                  "plimsoll snapshot --kubeconfig ~/.kube/config --out today.snapshot");
  flags.declare(options);
  options.text("--out", out, "The file to write", "FILE");
  options.required("--out");
  if (TRY(options.parse(arguments))) {
    fmt::print("{}", options.help());
    return exit_done;
  }
  TRY_VOID(check_writable(out));
  const LiveCluster cluster = TRY(read_cluster(flags, "snapshot"));
  const std::string bytes = TRY(snapshot_bytes(cluster.snapshot));
  TRY_VOID(write_file(out, bytes));
  const SnapshotCounts counts = count(cluster.snapshot);
  fmt::print("{}: {}, {} ({} allocated), {} bound, {} pending, {}\n", out,
             plural(counts.nodes, "node"), plural(counts.gpus, "GPU"),
             gpus_text(counts.gpu_milli_allocated), plural(counts.pods_bound, "pod"),
             counts.pods_pending, plural(counts.gangs, "gang"));
  return exit_done;
}

}  // namespace plimsoll::cli
