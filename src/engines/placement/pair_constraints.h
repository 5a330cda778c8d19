// What placed pods forbid and ask of the next one: affinity, anti-affinity and topology spread.
//
// A group counts, by domain of one topology key, the placed pods that a selector matches, or those
// that hold an anti-affinity term. Each spec knows the groups that it is counted in and those that
// it must heed, so that a placement touches counters of its own groups only, and a check is a few
// look-ups. Owned by the engine; not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engines/placement/names.h"
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
    std::int32_t count = 1;
  };

  // Learns `spec`; `placed` are all pods that hold room now. O(groups + placed for a new group).
  void add_spec(SpecId id, const model::PodSpec& spec, std::span<const model::Node> nodes,
                std::span<const Placed> placed);
  // Whether any spec ever brought such a constraint; if not, nothing here costs anything.
  [[nodiscard]] bool any() const { return !groups_.empty(); }
  // Whether placing `spec` depends on where other pods are.
  [[nodiscard]] bool constrains(SpecId spec) const;
  [[nodiscard]] bool has_preferences(SpecId spec) const;

  // The node's domains; pods on it are uncounted before and counted again after. O(keys).
  void set_node(std::size_t node, const model::Node& facts);
  void erase_node(std::size_t node);

  // A pod of `spec` comes to, or (by = -1) leaves `node`. O(groups of the spec).
  void count(SpecId spec, std::size_t node, std::int32_t by);

  // The state of all checks for one spec; valid until anything is counted or changed.
  class Check {
   public:
    // The first constraint that keeps the spec off `node`, or null.
    [[nodiscard]] const model::RefusalCode* refusal(std::size_t node) const;
    [[nodiscard]] bool allows(std::size_t node) const { return refusal(node) == nullptr; }
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
      const std::vector<std::int32_t>* counts = nullptr;
      std::int32_t least = 0;  // counts allowed, both ends included
      std::int32_t most = INT32_MAX;
      bool needs_key = false;  // a node without the key is refused
      model::RefusalCode code = model::RefusalCode::pod_affinity;
    };
    [[nodiscard]] static bool holds(const Rule& rule, std::int32_t domain);
    std::vector<Rule> rules_;
    const PairConstraints* owner_ = nullptr;
  };
  // With `preferences`, what is only preferred is asked as if it were required. O(rules), and
  // O(domains) for a spread of a spec that not every node may take.
  [[nodiscard]] Check check(SpecId spec, bool preferences) const;

  static constexpr std::int32_t unknown_domain = -2;
  [[nodiscard]] std::int32_t keys() const { return static_cast<std::int32_t>(key_.size()); }
  // The domain of `node` under a topology key, or -1 where it has none.
  [[nodiscard]] std::int32_t domain(std::int32_t key, std::size_t node) const {
    return key_[static_cast<std::size_t>(key)].domain_of[node];
  }

  // What kube-scheduler's scores need: the weighted count of preferred terms in the node's domains,
  // and for soft spread constraints the sum of pods there x ln(domains + 2) + max_skew - 1.
  [[nodiscard]] std::int64_t preferred_affinity(SpecId spec, std::size_t node) const;
  [[nodiscard]] std::int64_t soft_spread(SpecId spec, std::size_t node) const;
  // One line for each group and domain that counts anything, in an order that is the same however
  // the groups came about.
  [[nodiscard]] std::string digest_text() const;

 private:
  struct Key {
    Names names;                          // of domains
    std::vector<std::int32_t> domain_of;  // by node
    std::vector<std::int32_t> nodes_in;   // by domain
  };
  struct Group {
    std::string identity;
    std::int32_t key = 0;
    bool holders = false;  // counts pods that hold the term, not pods that it matches
    std::vector<std::string> namespaces;
    model::LabelSelector selector;
    std::vector<std::int32_t> counts;        // by domain
    std::vector<std::int32_t> domains_with;  // by count: domains that have nodes
    std::int32_t least = 0;                  // over domains that have nodes
    std::int64_t total = 0;
  };
  struct Term {
    std::int32_t group = 0;
    std::int32_t weight = 0;  // preferred terms; negative: apart
    std::int32_t max_skew = 0;
    bool self = false;  // the spec is counted in the group
  };
  struct Spec {
    bool known = false;
    model::PodSpec spec;
    std::vector<std::int32_t> counted_in;
    std::vector<Term> beside;
    std::vector<std::int32_t> apart;       // groups that must count 0
    std::vector<std::int32_t> blocked_by;  // holders of anti-affinity that matches this spec
    std::vector<Term> spread;
    std::vector<Term> soft_spread;
    std::vector<Term> preferred;
    bool everywhere = true;  // no selector or node affinity: every domain counts for its spread
  };

  std::int32_t key_number(const std::string& name, std::span<const model::Node> nodes);
  std::int32_t group_number(Group group, std::span<const Placed> placed);
  [[nodiscard]] bool matches(const Group& group, const model::PodSpec& spec) const;
  void bump(Group& group, std::int32_t domain, std::int32_t by);
  static void settle_least(Group& group);  // raises `least` to a count that some domain has
  void domain_appears(std::int32_t key, std::int32_t domain);
  void domain_vanishes(std::int32_t key, std::int32_t domain);
  [[nodiscard]] std::int32_t least_eligible(const Spec& spec, const Group& group) const;

  Names key_names_;
  std::vector<Key> key_;
  std::vector<Group> groups_;
  std::map<std::string, std::int32_t> group_numbers_;
  std::vector<Spec> specs_;
  std::vector<model::Node> nodes_;  // labels only, by node; for eligibility
};

}  // namespace plimsoll::placement
