// Small clusters for tests, from objects as an API server writes them. Header-only; included by
// tests only. One owner; not thread-safe.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "kube/objects/json.h"
#include "kube/objects/node.h"
#include "kube/objects/pod.h"
#include "kube/store/cluster_store.h"
#include "model/snapshot.h"

namespace plimsoll::cli {

class SampleCluster {
 public:
  // As JSON members: `extra` of the whole spec (", …"), `meta` of the metadata.
  struct PodText {
    std::string name;
    int gpus = 1;
    std::string extra;
    std::string meta;
    std::string node;  // empty: pending
    std::string scheduler = "plimsoll";
  };

  void node(const std::string& name, int gpus = 8, const std::string& spec = "") {
    put(fmt::format(R"({{"metadata":{{"name":"{0}","labels":{{"kubernetes.io/hostname":"{0}"}}}},)"
                    R"("spec":{{{1}}},"status":{{"allocatable":{{"cpu":"64","memory":"256Gi",)"
                    R"("pods":"110","nvidia.com/gpu":"{2}"}},)"
                    R"("conditions":[{{"type":"Ready","status":"True"}}]}}}})",
                    name, spec, gpus),
        kube::read_node);
  }
  void pod(const PodText& pod) {
    put(fmt::format(R"({{"metadata":{{"name":"{0}","namespace":"ml","uid":"{0}",)"
                    R"("creationTimestamp":"2026-01-31T10:00:00Z"{1}}},)"
                    R"("spec":{{"schedulerName":"{2}",{3}"containers":[{{"name":"c","resources":)"
                    R"({{"requests":{{"cpu":"1","memory":"1Gi","nvidia.com/gpu":"{4}"}}}}}}]{5}}},)"
                    R"("status":{{"phase":"Pending"}}}})",
                    pod.name, pod.meta, pod.scheduler,
                    pod.node.empty() ? "" : fmt::format(R"("nodeName":"{}",)", pod.node), pod.gpus,
                    pod.extra),
        kube::read_pod);
  }
  // A member of gang `gang`, which needs `members`.
  void member(const std::string& name, const std::string& gang, int members, int gpus) {
    pod({.name = name,
         .gpus = gpus,
         .meta = fmt::format(R"(,"labels":{{"plimsoll.dev/gang":"{}"}},)"
                             R"("annotations":{{"plimsoll.dev/gang-size":"{}"}})",
                             gang, members)});
  }

  model::Snapshot snapshot() {
    model::Snapshot snapshot{.now = Time(1'769'853'600'000'000)};  // 2026-01-31T10:00:00Z
    for (const model::Delta& delta : store_.take_deltas()) {
      const Result<void> done = model::apply(snapshot, delta);
      check(done.has_value(), done ? "" : done.error().message);
    }
    return snapshot;
  }
  [[nodiscard]] std::vector<kube::Held> held() const { return store_.every_held(); }

 private:
  template <typename Read>
  void put(const std::string& text, Read read) {
    auto object = read(document_.parse(text, false).value());
    check(object.has_value(), object ? "" : object.error().message);
    store_.upsert(*std::move(object));
  }

  kube::ClusterStore store_{{}};
  kube::Document document_;
};

}  // namespace plimsoll::cli
