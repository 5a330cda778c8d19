#include "tests/oracle/plain_filters.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace plimsoll::oracle {
namespace {

using model::Node;
using model::Pod;
using model::PodAffinityTerm;
using model::PodSpec;
using model::RefusalCode;
using model::Snapshot;
using model::TopologySpread;

const PodSpec& spec_of(const Snapshot& s, const Pod& pod) { return s.specs[pod.spec.index()]; }

// Calls `visit(pod, its spec, its node)` for each pod that holds room.
void each_placed(const Snapshot& s, auto visit) {
  for (const Pod& pod : s.pods) {
    if (pod.id.valid() && pod.binding) {
      visit(pod, spec_of(s, pod), s.nodes[pod.binding->node.index()]);
    }
  }
}

std::vector<const Pod*> pods_on(const Snapshot& s, const Node& node) {
  std::vector<const Pod*> here;
  each_placed(s, [&](const Pod& pod, const PodSpec&, const Node& at) {
    if (at.id == node.id) here.push_back(&pod);
  });
  return here;
}

bool ports_conflict(const Snapshot& s, const PodSpec& spec, const Node& node) {
  const std::string all = "0.0.0.0";
  for (const Pod* pod : pods_on(s, node)) {
    for (const model::HostPort& held : spec_of(s, *pod).host_ports) {
      for (const model::HostPort& want : spec.host_ports) {
        if (held.port == want.port && held.protocol == want.protocol &&
            (held.ip == all || want.ip == all || held.ip == want.ip)) {
          return true;
        }
      }
    }
  }
  return false;
}

bool too_many_volumes(const Snapshot& s, const PodSpec& spec, const Node& node) {
  std::set<model::AttachedVolume> attached;
  for (const Pod* pod : pods_on(s, node)) {
    const auto& volumes = spec_of(s, *pod).volumes;
    attached.insert(volumes.begin(), volumes.end());
  }
  for (const auto& [driver, limit] : node.attach_limits) {
    const auto of_driver = [&](const auto& volume) { return volume.driver == driver; };
    const auto brings = std::ranges::count_if(spec.volumes, [&](const auto& volume) {
      return of_driver(volume) && !attached.contains(volume);
    });
    if (brings > 0 && std::ranges::count_if(attached, of_driver) + brings > limit) return true;
  }
  return false;
}

std::int64_t amount(const model::Resources& resources, const std::string& name) {
  for (const auto& [key, value] : resources.extended) {
    if (key == name) return value;
  }
  return 0;
}

std::optional<Refused> lacks_room(const Snapshot& s, const PodSpec& spec, const Node& node) {
  const std::vector<const Pod*> here = pods_on(s, node);
  if (static_cast<std::int64_t>(here.size()) + 1 > node.allocatable.pods) {
    return Refused{RefusalCode::too_many_pods, ""};
  }
  const auto lacks = [&](auto&& of) {
    std::int64_t held = 0;
    for (const Pod* pod : here) held += of(spec_of(s, *pod).requests);
    return of(spec.requests) > 0 && of(spec.requests) > of(node.allocatable) - held;
  };
  if (lacks([](const auto& r) { return r.cpu.value(); })) return Refused{RefusalCode::cpu, ""};
  if (lacks([](const auto& r) { return r.memory.value(); })) {
    return Refused{RefusalCode::memory, ""};
  }
  if (lacks([](const auto& r) { return r.ephemeral_storage.value(); })) {
    return Refused{RefusalCode::ephemeral_storage, ""};
  }
  for (const auto& extended : spec.requests.extended) {
    const std::string& name = extended.first;
    if (lacks([&](const auto& r) { return amount(r, name); })) {
      return Refused{RefusalCode::extended_resource, name};
    }
  }
  return std::nullopt;
}

// Thousandths free of each GPU. A share of a GPU that nobody names takes the fullest that has room
// for it, larger ones first; past what there is, the emptiest is used up.
std::vector<std::int64_t> free_gpus(const Snapshot& s, const Node& node) {
  std::vector<std::int64_t> free;
  for (const model::Gpu& gpu : node.gpus) {
    free.push_back(gpu.condition == model::GpuCondition::stable ? 1000 : 0);
  }
  std::vector<std::int64_t> unknown;
  for (const Pod* pod : pods_on(s, node)) {
    for (const model::GpuShare& share : pod->binding->gpus) {
      if (share.index < 0) {
        unknown.push_back(share.milli.value());
      } else {
        auto& left = free[static_cast<std::size_t>(share.index)];
        left = std::max<std::int64_t>(0, left - share.milli.value());
      }
    }
  }
  std::ranges::sort(unknown, std::greater<>());
  for (const std::int64_t milli : unknown) {
    std::ranges::sort(free);
    const bool shared =
        !node.gpus.empty() && node.gpus.front().sharing == model::GpuSharing::shared;
    const auto room = milli < 1000 && !shared ? free.end() : std::ranges::lower_bound(free, milli);
    if (room != free.end()) {
      *room -= milli;
    } else if (!free.empty()) {
      free.back() = 0;
    }
  }
  return free;
}

std::optional<Refused> lacks_gpus(const Snapshot& s, const PodSpec& spec, const Node& node) {
  const model::GpuRequest& gpu = spec.gpu;
  if (gpu.count == 0) return std::nullopt;
  const std::vector<std::int64_t> free = free_gpus(s, node);
  const auto with_room =
      std::ranges::count_if(free, [&](std::int64_t milli) { return milli >= gpu.milli.value(); });
  if (gpu.count == 1 && gpu.milli < whole_gpu) {
    const bool shared =
        !node.gpus.empty() && node.gpus.front().sharing == model::GpuSharing::shared;
    if (!shared || with_room == 0) return Refused{RefusalCode::gpu_share, ""};
  } else if (with_room < gpu.count) {
    return Refused{RefusalCode::gpu, ""};
  }
  return std::nullopt;
}

bool claim_in_use(const Snapshot& s, const PodSpec& spec) {
  bool used = false;
  each_placed(s, [&](const Pod&, const PodSpec& other, const Node&) {
    for (const std::string& claim : spec.exclusive_claims) {
      used = used || std::ranges::count(other.exclusive_claims, claim) > 0;
    }
  });
  return used;
}

bool matches(const PodAffinityTerm& term, const PodSpec& holder, const PodSpec& pod) {
  const bool in_namespace =
      term.every_namespace ||
      (term.namespaces.empty() ? pod.name_space == holder.name_space
                               : std::ranges::count(term.namespaces, pod.name_space) > 0);
  return in_namespace && model::matches(term.selector, pod.labels);
}

// Whether both nodes have the key, and the same value.
bool together(const Node& a, const Node& b, const std::string& key) {
  const std::string* x = model::find_label(a.labels, key);
  const std::string* y = model::find_label(b.labels, key);
  return x != nullptr && y != nullptr && *x == *y;
}

std::vector<const PodAffinityTerm*> required(const std::vector<PodAffinityTerm>& terms) {
  std::vector<const PodAffinityTerm*> result;
  for (const PodAffinityTerm& term : terms) {
    if (term.weight == 0) result.push_back(&term);
  }
  return result;
}

std::optional<Refused> refused_by_pods(const Snapshot& s, const PodSpec& spec, const Node& node) {
  const auto beside = required(spec.affinity);
  const auto matches_all = [&](const PodSpec& pod) {
    return std::ranges::all_of(beside, [&](const auto* t) { return matches(*t, spec, pod); });
  };
  bool keyed = true;
  bool satisfied = true;
  bool anybody = false;
  for (const PodAffinityTerm* term : beside) {
    bool here = false;
    each_placed(s, [&](const Pod&, const PodSpec& pod, const Node& at) {
      if (matches_all(pod)) {
        here = here || together(at, node, term->topology_key);
        anybody = anybody || model::find_label(at.labels, term->topology_key) != nullptr;
      }
    });
    satisfied = satisfied && here;
    keyed = keyed && model::find_label(node.labels, term->topology_key) != nullptr;
  }
  const bool first = !anybody && matches_all(spec);
  if (!keyed || (!satisfied && !first)) return Refused{RefusalCode::pod_affinity, ""};
  bool apart = true;
  bool wanted = true;
  each_placed(s, [&](const Pod&, const PodSpec& pod, const Node& at) {
    for (const PodAffinityTerm* term : required(spec.anti_affinity)) {
      apart = apart && !(matches(*term, spec, pod) && together(at, node, term->topology_key));
    }
    for (const PodAffinityTerm* term : required(pod.anti_affinity)) {
      wanted = wanted && !(matches(*term, pod, spec) && together(at, node, term->topology_key));
    }
  });
  if (!apart) return Refused{RefusalCode::pod_anti_affinity, ""};
  if (!wanted) return Refused{RefusalCode::pod_anti_affinity, "existing pods"};
  return std::nullopt;
}

bool counts_for(const PodSpec& spec, const TopologySpread& spread, const Node& node) {
  for (const TopologySpread& other : spec.spread) {
    if (other.hard && model::find_label(node.labels, other.topology_key) == nullptr) return false;
  }
  return (!spread.honor_affinity || model::selects(spec, node)) &&
         (!spread.honor_taints || model::untolerated_taint(spec, node) == nullptr);
}

std::optional<Refused> skews(const Snapshot& s, const PodSpec& spec, const Node& node) {
  for (const TopologySpread& spread : spec.spread) {
    if (!spread.hard) continue;
    const std::string* domain = model::find_label(node.labels, spread.topology_key);
    if (domain == nullptr) return Refused{RefusalCode::topology_spread, "missing required label"};
    std::map<std::string, int> counts;
    for (const Node& other : s.nodes) {
      if (!other.id.valid() || !counts_for(spec, spread, other)) continue;
      int& count = counts[*model::find_label(other.labels, spread.topology_key)];
      for (const Pod* pod : pods_on(s, other)) {
        const PodSpec& theirs = spec_of(s, *pod);
        count += !pod->terminating && theirs.name_space == spec.name_space &&
                         !spread.selector.empty() && model::matches(spread.selector, theirs.labels)
                     ? 1
                     : 0;
      }
    }
    int least = INT32_MAX;
    for (const auto& [name, count] : counts) least = std::min(least, count);
    if (static_cast<int>(counts.size()) < spread.min_domains) least = 0;
    const int self = model::matches(spread.selector, spec.labels) ? 1 : 0;
    const auto here = counts.find(*domain);
    if ((here == counts.end() ? 0 : here->second) + self - least > spread.max_skew) {
      return Refused{RefusalCode::topology_spread, ""};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Refused> refuse(const Snapshot& s, const PodSpec& spec, const Node& node) {
  if (!node.ready) return Refused{RefusalCode::node_not_ready, ""};
  const model::Taint cordon{.key = "node.kubernetes.io/unschedulable"};
  if (node.unschedulable && std::ranges::none_of(spec.tolerations, [&](const auto& t) {
        return model::tolerates(t, cordon);
      })) {
    return Refused{RefusalCode::node_cordoned, ""};
  }
  if (!model::selects(spec, node)) return Refused{RefusalCode::node_selector, ""};
  if (const model::Taint* taint = model::untolerated_taint(spec, node)) {
    return Refused{RefusalCode::taint, taint->key + ": " + taint->value};
  }
  const model::GpuRequest& gpu = spec.gpu;
  const std::string model = node.gpus.empty() ? "" : node.gpus.front().model;
  if (gpu.count > 0 && !gpu.models.empty() && std::ranges::count(gpu.models, model) == 0) {
    return Refused{RefusalCode::gpu_model, ""};
  }
  if (ports_conflict(s, spec, node)) return Refused{RefusalCode::host_port, ""};
  if (const auto refused = lacks_room(s, spec, node)) return refused;
  if (const auto refused = lacks_gpus(s, spec, node)) return refused;
  if (claim_in_use(s, spec)) return Refused{RefusalCode::claim_in_use, ""};
  if (too_many_volumes(s, spec, node)) return Refused{RefusalCode::volume_limit, ""};
  if (!model::volumes_reach(spec, node)) return Refused{RefusalCode::volume_topology, ""};
  if (const auto refused = skews(s, spec, node)) return refused;
  return refused_by_pods(s, spec, node);
}

}  // namespace plimsoll::oracle
