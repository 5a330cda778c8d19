#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace plimsoll::sim {
namespace {

template <typename IdType, typename T>
IdType next_slot(std::vector<IdType>& freed, std::vector<T>& slots) {
  if (!freed.empty()) {
    const IdType id = freed.back();
    freed.pop_back();
    return id;
  }
  slots.emplace_back();
  return IdType(static_cast<std::uint32_t>(slots.size() - 1));
}

}  // namespace

Result<SimWorld> SimWorld::make(const model::Cluster& cluster) {
  SimWorld world;
  for (std::size_t i = 0; i < cluster.nodes.size(); ++i) {
    const model::Node& node = cluster.nodes[i];
    if (node.id.index() != i) {
      return bad_input(
          fmt::format("node '{}': id: found {}, expected {}", node.name, node.id.value(), i));
    }
    world.ledger_.set(node);
  }
  world.truth_.nodes = cluster.nodes;
  world.pods_on_.resize(cluster.nodes.size());
  return world;
}

model::Snapshot SimWorld::snapshot() {
  changes_.clear();  // they are in it
  return truth_;
}

Result<void> SimWorld::observe(std::vector<model::Delta>& changes) {
  if (changes.empty()) {
    std::swap(changes, changes_);
    return {};
  }
  for (model::Delta& delta : changes_) {
    changes.push_back(std::move(delta));
  }
  changes_.clear();
  return {};
}

Result<void> SimWorld::apply(const model::Action& action) {
  if (const auto* to_bind = std::get_if<model::Bind>(&action.kind)) {
    return bind(*to_bind);
  }
  if (const auto* evict = std::get_if<model::Evict>(&action.kind)) {
    const std::size_t index = evict->pod.index();
    if (index >= truth_.pods.size() || !truth_.pods[index].id.valid()) {
      return failed(fmt::format("evict: pod {} is gone", evict->pod.value()));
    }
    remove_pod(evict->pod);
  }
  return {};
}

Result<void> SimWorld::bind(const model::Bind& bind) {
  const std::size_t index = bind.pod.index();
  if (index >= truth_.pods.size() || !truth_.pods[index].id.valid()) {
    return failed(fmt::format("bind: pod {} is gone", bind.pod.value()));
  }
  model::Pod& pod = truth_.pods[index];
  if (pod.binding) {
    return failed(fmt::format("bind: pod '{}' is bound already", pod.name));
  }
  const NodeId target = bind.binding.node;
  if (target.index() >= truth_.nodes.size() || !truth_.nodes[target.index()].id.valid()) {
    return failed(fmt::format("bind: pod '{}': node {} is gone", pod.name, target.value()));
  }
  const model::Node& node = truth_.nodes[target.index()];
  const model::PodSpec& spec = truth_.specs[pod.spec.index()];
  TRY_VOID(ledger_.fits(node, spec, bind.binding));
  ledger_.take(node, spec, bind.binding);
  pod.binding = bind.binding;
  place_in_node_[index] = static_cast<std::uint32_t>(pods_on_[target.index()].size());
  pods_on_[target.index()].push_back(pod.id);
  changes_.emplace_back(model::PodBound{pod.id, bind.binding});
  return {};
}

SpecId SimWorld::add_spec(model::PodSpec spec) {
  const SpecId id(static_cast<std::uint32_t>(truth_.specs.size()));
  truth_.specs.push_back(spec);
  changes_.emplace_back(model::SpecAdded{id, std::move(spec)});
  return id;
}

TenantId SimWorld::add_tenant(std::string name) {
  const TenantId id(static_cast<std::uint32_t>(truth_.tenants.size()));
  truth_.tenants.push_back({.id = id, .name = std::move(name)});
  return id;
}

GangId SimWorld::add_gang(model::Gang gang) {
  gang.id = next_slot(free_gangs_, truth_.gangs);
  truth_.gangs[gang.id.index()] = gang;
  const GangId id = gang.id;
  changes_.emplace_back(model::GangUpserted{std::move(gang)});
  return id;
}

void SimWorld::remove_gang(GangId gang) {
  truth_.gangs[gang.index()] = {};
  free_gangs_.push_back(gang);
  changes_.emplace_back(model::GangRemoved{gang});
}

PodId SimWorld::add_pod(std::string name, SpecId spec, GangId gang, TenantId tenant) {
  const PodId id = next_slot(free_pods_, truth_.pods);
  if (place_in_node_.size() < truth_.pods.size()) {
    place_in_node_.resize(truth_.pods.size());
  }
  model::Pod& pod = truth_.pods[id.index()];
  pod.id = id;
  pod.name = std::move(name);
  pod.spec = spec;
  pod.gang = gang;
  pod.tenant = tenant;
  pod.created = truth_.now;
  changes_.emplace_back(model::PodAdded{pod});
  return id;
}

void SimWorld::remove_pod(PodId id) {
  model::Pod& pod = truth_.pods[id.index()];
  check(pod.id == id, "a pod is removed once");
  if (pod.binding) {
    const std::size_t on = pod.binding->node.index();
    ledger_.give(truth_.nodes[on], truth_.specs[pod.spec.index()], *pod.binding);
    std::vector<PodId>& there = pods_on_[on];
    const std::uint32_t place = place_in_node_[id.index()];
    there[place] = there.back();
    place_in_node_[there[place].index()] = place;
    there.pop_back();
  }
  pod = {};
  free_pods_.push_back(id);
  changes_.emplace_back(model::PodRemoved{id});
}

NodeId SimWorld::add_node(model::Node node) {
  node.id = next_slot(free_nodes_, truth_.nodes);
  pods_on_.resize(truth_.nodes.size());
  ledger_.set(node);
  truth_.nodes[node.id.index()] = node;
  const NodeId id = node.id;
  changes_.emplace_back(model::NodeUpserted{std::move(node)});
  return id;
}

std::vector<PodId> SimWorld::lose_pods(NodeId node) {
  std::vector<PodId> lost = pods_on_[node.index()];
  std::ranges::sort(lost);
  for (const PodId pod : lost) {
    remove_pod(pod);
  }
  return lost;
}

std::vector<PodId> SimWorld::remove_node(NodeId node) {
  std::vector<PodId> lost = lose_pods(node);
  ledger_.erase(node);
  truth_.nodes[node.index()] = {};
  free_nodes_.push_back(node);
  changes_.emplace_back(model::NodeRemoved{node});
  return lost;
}

std::vector<PodId> SimWorld::fail_node(NodeId node) {
  std::vector<PodId> lost = lose_pods(node);
  truth_.nodes[node.index()].ready = false;
  changes_.emplace_back(model::NodeUpserted{truth_.nodes[node.index()]});
  return lost;
}

void SimWorld::recover_node(NodeId node) {
  truth_.nodes[node.index()].ready = true;
  changes_.emplace_back(model::NodeUpserted{truth_.nodes[node.index()]});
}

}  // namespace plimsoll::sim
