// A Kubernetes cluster behind the ports: what the control loop sees of it, and does to it.
//
// Objects come in on the client's IO thread and become Deltas in a store under a mutex; the loop's
// thread takes them with observe(). Actions are sent and not waited for: apply() says whether the
// world took one on, and what came of it is a Delta (PodBound, BindFailed, PodRemoved). Public
// functions are the loop's; wake() and stop() any thread's. Must go before its client.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kube/client/events.h"
#include "kube/client/fence.h"
#include "kube/client/transport.h"
#include "kube/store/cluster_store.h"
#include "ports/world.h"

namespace plimsoll::kube {

class ResourceSink;
class Reflector;
struct Resource;

struct WorldOptions {
  StoreOptions store;
  // Open while this process leads; closed, nothing is written. Null: it alone leads. Outlives the
  // client.
  const Fence* fence = nullptr;
  // Told of every event that a user should see; may be empty.
  std::function<void(Event)> event;
  bool read_only = false;              // writes nothing at all: for `plan` and `snapshot`
  std::chrono::milliseconds batch{2};  // how long wait() gathers once something changed
};

struct WorldStats {
  std::uint64_t binds_sent = 0;
  std::uint64_t binds_done = 0;
  std::uint64_t binds_failed = 0;
  std::uint64_t evictions = 0;
  std::uint64_t conditions = 0;  // written to pods
  std::uint64_t writes_fenced = 0;
  // From the first observe() that told of a pending pod until its binding was answered.
  std::array<std::uint64_t, latency_buckets_s.size() + 1> scheduling{};
  double scheduling_sum_s = 0;
};

class KubeWorld final : public ports::World, public ports::Clock {
 public:
  // Asks the server which of the optional resources it has, and begins to watch. Errors: the
  // server cannot be reached or does not let us.
  static Result<std::unique_ptr<KubeWorld>> make(Client& client, WorldOptions options);
  ~KubeWorld() override;

  // Blocks until every resource was listed once. Errors: one that could not be in time, or that we
  // may not list, by name, with what the server said; stopped, or `given_up` (asked now and then).
  Result<void> wait_synced(std::chrono::milliseconds deadline,
                           const std::function<bool()>& given_up = {});
  // Blocks until something changed, `until` (on this clock), or stop(); false: stopped.
  bool wait(Time until);
  void wake();
  void stop();

  // Empty: everything that is there comes with the first observe().
  model::Snapshot snapshot() override;
  Result<void> observe(std::vector<model::Delta>& changes) override;
  Result<void> apply(const model::Action& action) override;
  // Unix time by a clock that no one sets: the system's at the start, and what passed since.
  [[nodiscard]] Time now() const override;

  // "namespace/name" of a pod, or the name of a node; empty: gone.
  [[nodiscard]] std::string name_of(PodId pod) const;
  [[nodiscard]] std::string name_of(NodeId node) const;
  [[nodiscard]] std::optional<PodId> find_pod(std::string_view key) const;  // by "namespace/name"
  // Every pending pod of ours that is not told of, and why.
  [[nodiscard]] std::vector<Held> held() const;
  // Says of every pod that is held why it is: once, by who has begun to lead.
  void tell_all_held();
  [[nodiscard]] WorldStats stats() const;
  [[nodiscard]] ClusterStore::Counts counts() const;

 private:
  KubeWorld(Client& client, WorldOptions options);
  Result<void> begin();
  Result<bool> served(std::string_view group_version, std::string_view resource);
  void add(Resource resource);
  void change(const std::function<void()>& change);
  bool fenced();
  void write(Request request, Answer answer);

  Result<void> bind(const model::Bind& bind);
  void bind_answered(PodId pod, const PodName& name, const std::string& node,
                     ApiResult<Response> answer);
  void look_after_bind(PodId pod, const PodName& name, const std::string& node,
                       const std::string& why);
  void bound(PodId pod, const PodName& name, const std::string& node);
  void bind_failed(PodId pod, const PodName& name, const std::string& why);
  void count_latency(PodId pod);  // requires: under the mutex
  [[nodiscard]] bool still(PodId pod, const PodName& name) const;
  Result<void> evict(const model::Evict& evict, const model::Reason& reason);
  void refuse(const model::Refuse& refuse, const model::Reason& reason);
  void nominate(const model::Nominate& nominate);
  void tell_unschedulable(const PodName& pod, const std::string& message);
  void tell_group(const PodName& group, bool scheduled, const std::string& message);
  void tell_held(const Held& pod);
  void remove(const PodName& name);
  template <typename Call>
  auto guarded(Call call);

  Client& client_;
  WorldOptions options_;
  std::int64_t wall_at_start_ = 0;  // microseconds
  std::chrono::steady_clock::time_point started_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  ClusterStore store_;
  bool stopped_ = false;
  bool woken_ = false;
  std::size_t unsynced_ = 0;
  std::vector<bool> synced_;  // by sink
  WorldStats stats_;
  std::vector<Time> seen_;  // by pod: when observe() told of it as pending

  std::string group_version_;  // of PodGroups, as the server has them; empty: it has none
  // Us, for answers that come on the IO thread; null once we are gone.
  std::shared_ptr<KubeWorld*> alive_ = std::make_shared<KubeWorld*>(this);
  std::vector<std::unique_ptr<ResourceSink>> sinks_;
  std::vector<std::unique_ptr<Reflector>> reflectors_;
};

}  // namespace plimsoll::kube
