#include "kube/store/cluster_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "kube/objects/node.h"

namespace plimsoll::kube {
namespace {

// A store, and the snapshot that all it told leads to: every delta must fit it.
struct Follower {
  explicit Follower(StoreOptions options = {}) : store(std::move(options)) {}

  void follow() {
    for (const model::Delta& delta : store.take_deltas()) {
      const auto result = model::apply(told, delta);
      ASSERT_TRUE(result) << result.error().message;
      ++deltas;
    }
    const auto valid = model::validate(told);
    ASSERT_TRUE(valid) << valid.error().message;
  }
  const model::Pod* pod(std::string_view name) const {
    const auto id = store.find_pod(name);
    return id ? &told.pods[id->index()] : nullptr;
  }
  const model::PodSpec& spec(std::string_view name) const {
    return told.specs[pod(name)->spec.index()];
  }
  std::string node_of(std::string_view name) const {
    const model::Pod* found = pod(name);
    return found == nullptr ? "hidden"
           : found->binding ? told.nodes[found->binding->node.index()].name
                            : "pending";
  }

  ClusterStore store;
  model::Snapshot told;
  int deltas = 0;
};

Document& document() {
  static Document instance;
  return instance;
}
Json json(const std::string& text) { return document().parse(text, false).value(); }

struct PodText {
  std::string name = "p";
  std::string uid = "u";
  std::string labels = "{}";
  std::string spec = R"("schedulerName":"plimsoll")";
  std::string status = R"("phase":"Pending")";
  std::string extra;  // of the metadata
};
PodObject pod_of(const PodText& pod) {
  return read_pod(
             json(fmt::format(
                 R"({{"metadata":{{"name":"{}","namespace":"default","uid":"{}","labels":{}{}}},)"
                 R"("spec":{{"containers":[{{"name":"c","resources":{{"requests":{{"cpu":"500m",)"
                 R"("memory":"1Gi","nvidia.com/gpu":"2"}}}}}}],{}}},"status":{{{}}}}})",
                 pod.name, pod.uid, pod.labels, pod.extra, pod.spec, pod.status)))
      .value();
}
model::Node node_of(const std::string& name, int gpus = 8) {
  return read_node(json(fmt::format(
                       R"({{"metadata":{{"name":"{}","labels":{{"kubernetes.io/hostname":"{}"}}}},)"
                       R"("status":{{"allocatable":{{"cpu":"64","memory":"256Gi","pods":"110",)"
                       R"("nvidia.com/gpu":"{}"}}}}}})",
                       name, name, gpus)))
      .value();
}

std::string bound_to(const std::string& node) {
  return fmt::format(R"("schedulerName":"plimsoll","nodeName":"{}")", node);
}

TEST(ClusterStore, TellsOfPodsThatWaitOrHold) {
  Follower f;
  f.store.upsert(node_of("n0"));
  f.store.upsert(pod_of({.name = "ours"}));
  f.store.upsert(pod_of({.name = "theirs", .spec = R"("schedulerName":"default-scheduler")"}));
  f.store.upsert(pod_of(
      {.name = "gated", .spec = R"("schedulerName":"plimsoll","schedulingGates":[{"name":"g"}])"}));
  f.store.upsert(pod_of({.name = "held", .spec = bound_to("n0")}));
  f.store.upsert(pod_of({.name = "done", .spec = bound_to("n0"), .status = R"("phase":"Failed")"}));
  f.follow();
  EXPECT_EQ(f.node_of("default/ours"), "pending");
  EXPECT_EQ(f.node_of("default/theirs"), "hidden");
  EXPECT_EQ(f.node_of("default/gated"), "hidden");
  EXPECT_EQ(f.node_of("default/held"), "n0");
  EXPECT_EQ(f.node_of("default/done"), "hidden");
  EXPECT_EQ(f.spec("default/ours").gpu.count, 2);
  EXPECT_EQ(f.spec("default/ours").requests.cpu, Millicores(500));
  EXPECT_EQ(f.told.nodes[0].gpus.size(), 8U);

  f.store.upsert(pod_of({.name = "theirs", .spec = R"("schedulerName":"x","nodeName":"n0")"}));
  f.store.upsert(pod_of({.name = "gated"}));
  f.follow();
  EXPECT_EQ(f.node_of("default/theirs"), "n0");
  EXPECT_EQ(f.node_of("default/gated"), "pending");
}

TEST(ClusterStore, TheSameStateIsNoNews) {
  Follower f;
  for (int i = 0; i < 3; ++i) {
    f.store.upsert(node_of("n0"));
    f.store.upsert(pod_of({.spec = bound_to("n0")}));
    f.follow();
    EXPECT_EQ(f.deltas, 3);  // node, spec, pod
  }
}

TEST(ClusterStore, PodsOfNodesThatAreNotKnownWaitForThem) {
  Follower f;
  f.store.upsert(pod_of({.spec = bound_to("later")}));
  f.follow();
  EXPECT_EQ(f.node_of("default/p"), "hidden");
  f.store.upsert(node_of("later"));
  f.follow();
  EXPECT_EQ(f.node_of("default/p"), "later");
  f.store.remove_node("later");
  f.follow();
  EXPECT_EQ(f.node_of("default/p"), "hidden");
  f.store.upsert(node_of("later"));
  f.follow();
  EXPECT_EQ(f.node_of("default/p"), "later");
}

TEST(ClusterStore, ABindingIsAssumedThenConfirmedOnce) {
  for (const bool watch_first : {false, true}) {
    Follower f;
    f.store.upsert(node_of("n0"));
    f.store.upsert(pod_of({}));
    f.follow();
    const PodId id = *f.store.find_pod("default/p");
    const model::Binding binding{NodeId(0), {{3}, {5}}};
    f.store.assume(id, binding);
    EXPECT_FALSE(f.store.may_assume(id));
    const int before = f.deltas;
    if (watch_first) {
      f.store.upsert(pod_of({.spec = bound_to("n0")}));
      f.store.confirm(id);
    } else {
      f.store.confirm(id);
      f.store.upsert(pod_of({}));  // an older state comes late
      f.store.upsert(pod_of({.spec = bound_to("n0")}));
    }
    f.follow();
    EXPECT_EQ(f.deltas, before + 1);
    EXPECT_EQ(f.pod("default/p")->binding, binding) << "with the GPUs that were meant";
  }
}

TEST(ClusterStore, APodThatAsksOtherGpusIsToldOfAfresh) {
  const auto pod_with_gpus = [](int gpus, const char* spec) {
    return read_pod(json(fmt::format(
                        R"({{"metadata":{{"name":"p","namespace":"default","uid":"u"}},"spec":{{)"
                        R"("schedulerName":"plimsoll",{}"containers":[{{"name":"c","resources":)"
                        R"({{"requests":{{"nvidia.com/gpu":"{}"}}}}}}]}}}})",
                        spec, gpus)))
        .value();
  };
  for (const bool sent : {false, true}) {
    Follower f;
    f.store.upsert(node_of("n0"));
    f.store.upsert(pod_with_gpus(1, sent ? "" : R"("nodeName":"n0",)"));
    f.follow();
    if (sent) {
      f.store.assume(*f.store.find_pod("default/p"), {NodeId(0), {{-1}}});
    }
    f.store.upsert(pod_with_gpus(3, R"("nodeName":"n0",)"));
    f.follow();
    EXPECT_EQ(f.pod("default/p")->binding->gpus.size(), 3U);
  }
}

TEST(ClusterStore, APodMayAskOtherGpusInTheMomentItIsBound) {
  Follower f;
  f.store.upsert(node_of("n0"));
  f.store.upsert(pod_of({}));
  PodObject bound = pod_of({.spec = bound_to("n0")});
  bound.spec.gpu.count = 3;
  f.store.upsert(std::move(bound));
  f.follow();
  EXPECT_EQ(f.pod("default/p")->binding->gpus.size(), 3U);
}

TEST(ClusterStore, AFailedBindingLeavesThePodPending) {
  Follower f;
  f.store.upsert(node_of("n0"));
  f.store.upsert(pod_of({}));
  f.follow();
  const PodId id = *f.store.find_pod("default/p");
  f.store.assume(id, {NodeId(0), {{0}, {1}}});
  f.store.fail(id, "conflict");
  f.follow();
  EXPECT_TRUE(f.store.may_assume(id));
  f.store.fail(id, "again");
  EXPECT_FALSE(f.store.has_deltas()) << "it fails once";
  f.store.assume(id, {NodeId(0), {{0}, {1}}});
  f.store.remove_node("n0");
  f.follow();
  EXPECT_EQ(f.node_of("default/p"), "pending") << "its node went before it was bound";
}

TEST(ClusterStore, AnotherPodOfTheSameNameIsAnother) {
  Follower f;
  f.store.upsert(node_of("n0"));
  f.store.upsert(pod_of({.uid = "first", .spec = bound_to("n0")}));
  f.store.upsert(pod_of({.uid = "second"}));
  f.follow();
  EXPECT_EQ(f.node_of("default/p"), "pending");
  f.store.remove_pod("default/p", "first");
  f.follow();
  EXPECT_EQ(f.node_of("default/p"), "pending") << "the late end of the first is not its own";
}

TEST(ClusterStore, LabelsCountOnceASelectorAsksForThem) {
  Follower f;
  f.store.upsert(pod_of({.name = "a", .uid = "a", .labels = R"({"app":"x","index":"1"})"}));
  f.store.upsert(pod_of({.name = "b", .uid = "b", .labels = R"({"app":"x","index":"2"})"}));
  f.follow();
  EXPECT_EQ(f.pod("default/a")->spec, f.pod("default/b")->spec);
  EXPECT_TRUE(f.spec("default/a").labels.empty());
  f.store.upsert(pod_of(
      {.name = "c",
       .uid = "c",
       .spec = R"("schedulerName":"plimsoll","topologySpreadConstraints":[{"maxSkew":1,)"
               R"("topologyKey":"kubernetes.io/hostname","whenUnsatisfiable":"DoNotSchedule",)"
               R"("labelSelector":{"matchLabels":{"app":"x"}}}])"}));
  f.follow();
  EXPECT_EQ(f.spec("default/a").labels, (model::Labels{{"app", "x"}}));
  EXPECT_EQ(f.pod("default/a")->spec, f.pod("default/b")->spec);
}

TEST(ClusterStore, GangsComeWithTheirPodsOrTheirGroup) {
  Follower f;
  const std::string member = R"("schedulerName":"plimsoll","schedulingGroup":{"podGroupName":"g"})";
  f.store.upsert(pod_of({.spec = member}));
  f.follow();
  ASSERT_TRUE(f.pod("default/p")->gang.valid());
  EXPECT_EQ(f.told.gangs[0].min_members, model::members_unknown);
  EXPECT_TRUE(f.store.lacks_group(*f.store.find_pod("default/p")));
  const auto group = [](const char* policy) {
    return read_group(
               json(fmt::format(R"({{"metadata":{{"name":"g","namespace":"default","uid":"gu"}},)"
                                R"("spec":{{"schedulingPolicy":{},"schedulingConstraints":)"
                                R"({{"topology":[{{"key":"rack"}}]}}}}}})",
                                policy)),
               GangForm::pod_group)
        .value();
  };
  f.store.upsert(group(R"({"gang":{"minCount":4}})"));
  f.follow();
  EXPECT_EQ(f.told.gangs[0].min_members, 4);
  EXPECT_FALSE(f.store.lacks_group(*f.store.find_pod("default/p")));
  EXPECT_EQ(f.told.gangs[0].required_key, "rack");
  f.store.upsert(group(R"({"basic":{}})"));
  f.follow();
  EXPECT_FALSE(f.pod("default/p")->gang.valid()) << "its pods start one by one";
  f.store.remove_group(GangForm::pod_group, "default/g");
  f.store.remove_pod("default/p", {});
  f.follow();
  EXPECT_FALSE(f.told.gangs[0].id.valid());
}

TEST(ClusterStore, ClaimsHoldAPodUntilTheyAreBound) {
  Follower f;
  const std::string mounts =
      R"("schedulerName":"plimsoll","volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"c"}}])";
  const auto held = [&] {
    std::string last = "none";
    for (const Held& pod : f.store.take_held()) {
      last = pod.reason;
    }
    return last;
  };
  const auto claim = [](const char* annotations, const char* spec) {
    return read_claim(json(fmt::format(R"({{"metadata":{{"name":"c","namespace":"default",)"
                                       R"("uid":"cu","annotations":{}}},"spec":{}}})",
                                       annotations, spec)))
        .value();
  };
  f.store.upsert(pod_of({.spec = mounts}));
  EXPECT_EQ(held(), "persistentvolumeclaim \"c\" not found");
  f.store.upsert(claim("{}", R"({"storageClassName":"fast"})"));
  EXPECT_EQ(held(), "pod has unbound immediate PersistentVolumeClaims");
  f.store.upsert(read_storage_class(json(R"({"metadata":{"name":"fast","uid":"s"},)"
                                         R"("volumeBindingMode":"WaitForFirstConsumer"})"))
                     .value());
  EXPECT_EQ(held(),
            "PersistentVolumeClaim \"c\" waits for its first consumer, which this "
            "scheduler does not bind");
  f.store.upsert(claim(R"({"pv.kubernetes.io/bind-completed":"yes"})",
                       R"({"volumeName":"pv","accessModes":["ReadWriteOncePod"]})"));
  EXPECT_EQ(held(), "persistentvolume \"pv\" not found");
  f.store.upsert(
      read_volume(json(R"({"metadata":{"name":"pv","uid":"v","labels":{)"
                       R"("topology.kubernetes.io/zone":"a__b"}},"spec":{"csi":{"driver":"d",)"
                       R"("volumeHandle":"h"},"claimRef":{"namespace":"default","name":"c"}}})"))
          .value());
  EXPECT_EQ(held(), "") << "no reason any more";
  f.follow();
  const model::PodSpec& spec = f.spec("default/p");
  EXPECT_EQ(spec.exclusive_claims, (std::vector<std::string>{"default/c"}));
  EXPECT_EQ(spec.volumes, (std::vector<model::AttachedVolume>{{"d", "h"}}));
  ASSERT_EQ(spec.volume_topology.size(), 1U);
  EXPECT_EQ(spec.volume_topology[0][0].expressions[0].values, (std::vector<std::string>{"a", "b"}));
}

// Whatever comes in whatever order, what is told fits together, and says who is where.
TEST(ClusterStore, RandomHistoriesFitTogether) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    Random random(seed);
    Follower f;
    std::map<std::string, std::string> truth;  // pod: node, or empty
    for (int step = 0; step < 300; ++step) {
      const std::string node = fmt::format("n{}", random.below(4));
      const std::string pod = fmt::format("p{}", random.below(12));
      const std::string key = "default/" + pod;
      const std::string uid = fmt::format("{}-{}", pod, random.below(8) == 0 ? 1 : 0);
      const std::string group =
          random.below(3) == 0 ? R"(,"schedulingGroup":{"podGroupName":"g"})" : "";
      switch (random.below(7)) {
        case 0:
          f.store.upsert(node_of(node));
          break;
        case 1:
          f.store.remove_node(node);
          break;
        case 2:
          f.store.upsert(pod_of({.name = pod,
                                 .uid = uid,
                                 .labels = R"({"app":"x"})",
                                 .spec = R"("schedulerName":"plimsoll")" + group}));
          break;
        case 3:
          f.store.upsert(pod_of({.name = pod, .uid = uid, .spec = bound_to(node) + group}));
          break;
        case 4:
          f.store.remove_pod(key, {});
          break;
        case 5:
          if (const auto id = f.store.find_pod(key); id && f.store.may_assume(*id)) {
            const auto target = std::ranges::find_if(
                f.told.nodes, [](const model::Node& candidate) { return candidate.id.valid(); });
            if (target != f.told.nodes.end() && f.store.node(target->id) != nullptr) {
              f.store.assume(*id, {target->id, {{-1}, {-1}}});
              if (random.below(3) == 0) {
                f.store.fail(*id, "refused");
              } else if (random.below(2) == 0) {
                f.store.confirm(*id);
              }
            }
          }
          break;
        case 6:
          f.store.upsert(
              read_group(
                  json(fmt::format(
                      R"({{"metadata":{{"name":"g","namespace":"default","uid":"g"}},)"
                      R"("spec":{{"schedulingPolicy":{}}}}})",
                      random.below(2) == 0 ? R"({"basic":{}})" : R"({"gang":{"minCount":2}})")),
                  GangForm::pod_group)
                  .value());
          break;
      }
      if (random.below(3) == 0) {
        f.follow();
        ASSERT_FALSE(testing::Test::HasFatalFailure()) << "seed " << seed << " step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace plimsoll::kube
