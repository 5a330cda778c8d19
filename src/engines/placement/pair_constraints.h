// What placed pods forbid and ask of the next one: affinity, anti-affinity and topology spread, as
// kube-scheduler's filters InterPodAffinity and PodTopologySpread decide them.
//
// Each spec knows the groups (pair_groups.h) that it is counted in and those that it must heed, so
// that a placement touches counters of its own groups only, and a check is a few look-ups. Owned by
// the engine; not thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engines/placement/pair_groups.h"
#include "model/node.h"
#include "model/plan.h"
#include "model/pod.h"

namespace plimsoll::placement {

class PairConstraints {
 public:
  // A placed pod, for counting into a group that a new spec brings.
  struct Placed {
    SpecId spec;
    std::size_t node = 0;
    bool terminating = false;
  };

  // Learns `spec`; `placed` are all pods that hold room now. Where the id stood for another spec,
  // none of those is of it. O(groups + nodes and placed for each new group).
  void add_spec(SpecId id, const model::PodSpec& spec, std::span<const model::Node> nodes,
                std::span<const Placed> placed);
  // Whether placing `spec` depends on where other pods are.
  [[nodiscard]] bool constrains(SpecId spec) const;

  // The node as it is now; pods on it are uncounted before and counted again after. True: it moved
  // to another domain of some key. O(groups).
  bool set_node(std::size_t node, const model::Node& facts) {
    return groups_.set_node(node, &facts);
  }
  bool erase_node(std::size_t node) { return groups_.set_node(node, nullptr); }

  // A pod comes to, or (by = -1) leaves its node. O(groups of the spec).
  void count(const Placed& pod, std::int32_t by);

  // A rule that keeps a spec off a node, in the words of model::Refusal.
  struct Refused {
    model::RefusalCode code = model::RefusalCode::pod_affinity;
    const char* detail = "";
  };

  // The state of all checks for one spec; valid until anything is counted or changed.
  class Check {
   public:
    [[nodiscard]] bool allows(std::size_t node) const {
      for (const Rule& rule : rules_) {
        if (!holds(rule, keys_->domain(rule.key, node))) {
          return false;
        }
      }
      return true;
    }
    // The first rule that keeps the spec off `node`. Requires: one does.
    [[nodiscard]] Refused refused(std::size_t node) const;
    // Whether every node of which only the domains are known is refused: `domain_of(key)` gives
    // the domain that they all share, or unknown_domain.
    template <typename DomainOf>
    [[nodiscard]] bool refuses_all(DomainOf&& domain_of) const {
      for (const Rule& rule : rules_) {
        const std::int32_t domain = domain_of(rule.key);
        if (domain != unknown_domain && !holds(rule, domain)) {
          return true;
        }
      }
      return false;
    }

   private:
    friend class PairConstraints;
    struct Rule {
      std::int32_t key = 0;
      const PairGroups::Group* group = nullptr;
      std::int32_t least = 0;  // counts allowed, both ends included
      std::int32_t most = INT32_MAX;
      bool needs_key = false;  // a node without the key is refused
      Refused refused;
    };
    [[nodiscard]] static bool holds(const Rule& rule, std::int32_t domain) {
      if (domain < 0) {
        return !rule.needs_key;
      }
      const std::int32_t count = rule.group->count(domain);
      return count >= rule.least && count <= rule.most;
    }
    std::vector<Rule> rules_;
    const TopologyKeys* keys_ = nullptr;
  };
  [[nodiscard]] Check check(SpecId spec) const;  // O(rules)

  static constexpr std::int32_t unknown_domain = -2;
  [[nodiscard]] const TopologyKeys& keys() const { return groups_.keys(); }

  // kube-scheduler's raw scores of each of `among`. Preferred terms: pods that match there, by
  // weight. Soft spread: pods that match there x ln(domains + 2) + max_skew - 1 of each constraint,
  // less is better; no_spread where a node has not all of their keys. O(among x terms).
  static constexpr std::int64_t no_spread = -1;
  [[nodiscard]] std::vector<std::int64_t> preferred(SpecId spec,
                                                    std::span<const std::size_t> among) const;
  [[nodiscard]] std::vector<std::int64_t> soft_spread(SpecId spec,
                                                      std::span<const std::size_t> among) const;
  [[nodiscard]] bool spreads_softly(SpecId spec) const {
    return spec.index() < specs_.size() && !specs_[spec.index()].soft_spread.empty();
  }
  [[nodiscard]] bool prefers_pods(SpecId spec) const {
    return spec.index() < specs_.size() && !specs_[spec.index()].preferred.empty();
  }

  [[nodiscard]] std::string digest_text() const { return groups_.digest_text(); }

 private:
  struct Term {
    std::int32_t group = 0;
    std::int32_t weight = 0;  // preferred terms; negative: apart
    std::int32_t max_skew = 0;
    std::int32_t min_domains = 1;
    bool self = false;  // the spec matches
  };
  struct Spec {
    bool known = false;
    model::PodSpec spec;             // as far as groups look at it: name space and labels
    std::vector<std::int32_t> uses;  // groups that it brought or found
    std::vector<std::int32_t> counted_in;
    std::vector<Term> beside;              // by topology key: pods that match all its terms
    std::vector<std::int32_t> apart;       // groups that must count 0
    std::vector<std::int32_t> blocked_by;  // holders of anti-affinity that matches this spec
    std::vector<Term> spread;
    std::vector<Term> soft_spread;
    std::vector<Term> preferred;
  };
  struct Cluster {
    std::span<const model::Node> nodes;
    std::span<const Placed> placed;
  };

  std::int32_t group(SpecId id, PairGroups::Definition definition, const Cluster& cluster);
  void add_affinity(SpecId id, const model::PodSpec& spec, const Cluster& cluster);
  void add_anti_affinity(SpecId id, const model::PodSpec& spec, const Cluster& cluster);
  void add_spread(SpecId id, const model::PodSpec& spec, bool hard, const Cluster& cluster);
  void release(const std::vector<std::int32_t>& groups);
  void count_into(std::int32_t group, const Placed& pod, std::int32_t by);
  [[nodiscard]] Check::Rule spread_rule(const Term& term) const;

  PairGroups groups_;
  std::vector<Spec> specs_;
};

}  // namespace plimsoll::placement
