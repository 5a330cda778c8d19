// What is known of a cluster, kept from the objects that the API server sends, and told on as the
// model's Deltas.
//
// Pods are told of that an engine can place or must count: bound ones, whoever bound them, and
// pending ones of our scheduler names that wait for nothing but a place. Every other pod is known
// here and stays unseen until it changes. Equal specs share one id, whatever labels the pods have
// that no selector asks for. Not thread-safe: KubeWorld guards it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "kube/objects/others.h"
#include "kube/objects/pod.h"
#include "kube/store/pool.h"
#include "model/snapshot.h"

namespace plimsoll::kube {

struct StoreOptions {
  std::vector<std::string> scheduler_names{"plimsoll"};
  model::LabelSelector owned_nodes;  // pods are bound only to nodes that it matches
};

struct PodName {
  std::string name_space;
  std::string name;
  std::string uid;
};

// A pending pod of ours that is not told of, and why; an empty reason: it is, or is gone.
struct Held {
  PodName pod;
  std::string reason;
};

class ClusterStore {
 public:
  explicit ClusterStore(StoreOptions options);

  void upsert(PodObject pod);
  void upsert(model::Node node);  // its id is not read
  void upsert(GroupObject group);
  void upsert(BudgetObject budget);
  void upsert(ClaimObject claim);
  void upsert(VolumeObject volume);
  void upsert(StorageClassObject storage_class);
  void upsert(AttachLimits limits);
  void upsert(NamespaceObject name_space);

  // By name, or key_of(namespace, name). What is unknown is gone already.
  void remove_pod(std::string_view key, std::string_view uid);  // empty uid: whichever it is
  void remove_node(std::string_view name);
  void remove_group(GangForm form, std::string_view key);
  void remove_budget(std::string_view key);
  void remove_claim(std::string_view key);
  void remove_volume(std::string_view name);
  void remove_storage_class(std::string_view name);
  void remove_attach_limits(std::string_view node);
  void remove_namespace(std::string_view name);

  // Keys of all that is known, in order: what a relist is compared with.
  [[nodiscard]] std::vector<std::string> pod_keys() const;
  [[nodiscard]] std::vector<std::string> node_names() const;
  [[nodiscard]] std::vector<std::string> group_keys(GangForm form) const;
  [[nodiscard]] std::vector<std::string> budget_keys() const;
  [[nodiscard]] std::vector<std::string> claim_keys() const;
  [[nodiscard]] std::vector<std::string> volume_names() const;
  [[nodiscard]] std::vector<std::string> storage_class_names() const;
  [[nodiscard]] std::vector<std::string> attach_limit_nodes() const;
  [[nodiscard]] std::vector<std::string> namespace_names() const;

  // A binding was sent; it happened; it did not. What is not (or no longer) pending is left alone.
  void assume(PodId pod, const model::Binding& binding);
  void confirm(PodId pod);
  void fail(PodId pod, std::string why);
  [[nodiscard]] bool assumed(PodId pod) const;
  [[nodiscard]] bool may_assume(PodId pod) const;  // it is pending, and nothing was sent

  // What changed since the last call, in order. A delta refers to what earlier ones told of.
  std::vector<model::Delta> take_deltas() { return std::exchange(deltas_, {}); }
  [[nodiscard]] bool has_deltas() const { return !deltas_.empty(); }
  std::vector<Held> take_held() { return std::exchange(held_, {}); }
  [[nodiscard]] std::vector<Held> all_held() const;    // but those whose condition says it already
  [[nodiscard]] std::vector<Held> every_held() const;  // by name

  // Names of ids that were told of and not taken back; null: unknown.
  [[nodiscard]] const PodName* pod(PodId id) const;
  [[nodiscard]] const std::string* node(NodeId id) const;
  [[nodiscard]] const GroupObject* group(GangId id) const;  // null also: it is not there yet
  // The pod names a gang of which nothing says how many members it has.
  [[nodiscard]] bool lacks_group(PodId pod) const;
  // The PodGroup (of scheduling.k8s.io) of the pod's gang, if its condition is to say something
  // new: with `scheduled`, once as many members are bound as it needs; else why not, until then.
  std::optional<PodName> group_to_tell(PodId pod, bool scheduled, std::string_view message);
  [[nodiscard]] std::optional<PodId> find_pod(std::string_view key) const;
  // What the condition PodScheduled of a pending pod says already.
  [[nodiscard]] bool told(PodId id, std::string_view message) const;

  struct Counts {
    std::size_t nodes = 0;
    std::size_t pods = 0;  // all that hold something or wait
    std::size_t specs = 0;
  };
  [[nodiscard]] Counts counts() const;

 private:
  struct PodEntry {
    PodName name;
    PodId id;                  // none: not told of
    std::uint32_t base = 0;    // in bases_
    std::uint32_t labels = 0;  // in labels_
    std::optional<SpecId> spec;
    GangId told_gang;
    std::uint32_t gang = no_gang;  // in gangs_
    Time created;
    Time started;
    std::string node_name;                  // empty: pending
    std::optional<model::Binding> binding;  // told of
    std::optional<model::Binding> assumed;  // sent, and not known to have happened
    std::string held;
    std::string told_message;
    bool ours = false;
    bool gated = false;
    bool deleting = false;
    bool do_not_disrupt = false;
    bool told_terminating = false;
    bool told_unschedulable = false;
    bool told_protected = false;
    Time told_started;
  };
  // What pods of one template share: all but labels.
  struct Base {
    model::PodSpec spec;
    std::vector<NamespaceTerm> namespace_terms;
    std::vector<ClaimUse> claims;
    std::string unmodelled;
  };
  struct GangEntry {
    GangForm form = GangForm::none;
    std::string key;
    GangId id;  // none: not told of
    std::optional<GroupObject> object;
    std::set<std::uint32_t> pods;
    GangReference stated;      // by its pods
    std::string told_message;  // of why it does not start
    Time first_created;
    model::Gang told;
  };
  struct NodeEntry {
    model::Node node;
    std::set<std::uint32_t> pods;  // bound to it, or sent there
  };
  struct Resolved {
    model::PodSpec spec;
    std::string held;
  };
  static constexpr std::uint32_t no_gang = 0xffffffffU;

  // store_pods.cc
  void tell(std::uint32_t entry);
  void hide(PodEntry& pod);
  void settle(std::uint32_t index, model::Binding binding);
  void retell(const std::set<std::uint32_t>& entries);
  Resolved resolve(const PodEntry& pod) const;
  [[nodiscard]] model::Pod as_told(const PodEntry& pod) const;
  void learn_keys(const model::PodSpec& spec);
  void learn_key(const std::string& key);
  void set_spec(PodEntry& pod, const model::PodSpec& spec);
  void drop_pod(std::uint32_t index);
  void add_claim_user(std::uint32_t index, const PodEntry& pod);
  void drop_claim_user(std::uint32_t index, const PodEntry& pod);
  void note_held(PodEntry& pod, std::string reason);
  // store_claims.cc
  std::string resolve_claims(const PodEntry& pod, const Base& base, model::PodSpec& spec) const;
  void retell_claim(std::string_view key);
  // store_gangs.cc
  std::uint32_t join_gang(std::uint32_t index, const PodEntry& pod, const GangReference& reference);
  void leave_gang(std::uint32_t index, PodEntry& pod);
  GangId tell_gang(std::uint32_t gang);
  std::uint32_t gang_entry(GangForm form, const std::string& key);
  void end_gang(std::uint32_t gang);
  [[nodiscard]] model::Gang as_model(const GangEntry& gang) const;

  StoreOptions options_;
  std::vector<model::Delta> deltas_;
  std::vector<Held> held_;

  std::vector<PodEntry> pods_;
  std::vector<std::uint32_t> free_pods_;
  ByText<std::uint32_t> pod_by_key_;
  std::vector<std::uint32_t> entry_of_;  // by PodId
  IdList pod_ids_;
  std::size_t told_pods_ = 0;

  Pool<Base> bases_;
  Pool<model::Labels> labels_;
  Pool<char> specs_;
  std::size_t spec_count_ = 0;
  std::unordered_set<std::string> relevant_keys_;  // of labels that a selector asks for

  ByText<NodeId> node_by_name_;
  std::vector<NodeEntry> nodes_;  // by NodeId
  IdList node_ids_;
  ByText<std::set<std::uint32_t>> orphans_;  // bound to nodes that are not known, by node

  std::vector<GangEntry> gangs_;
  std::vector<std::uint32_t> free_gangs_;
  ByText<std::uint32_t> gang_by_key_;
  std::vector<std::uint32_t> gang_of_;  // by GangId
  IdList gang_ids_;

  std::map<std::string, model::DisruptionBudget, std::less<>> budgets_;
  IdList budget_ids_;

  std::map<std::string, ClaimObject, std::less<>> claims_;
  std::map<std::string, VolumeObject, std::less<>> volumes_;
  std::map<std::string, StorageClassObject, std::less<>> storage_classes_;
  std::map<std::string, AttachLimits, std::less<>> attach_limits_;
  std::map<std::string, model::Labels, std::less<>> namespaces_;
  ByText<std::set<std::uint32_t>> claim_users_;
  std::set<std::uint32_t> with_namespace_terms_;
};

}  // namespace plimsoll::kube
