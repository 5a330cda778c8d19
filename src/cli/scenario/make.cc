// From a scenario to what the simulator takes.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "base/random.h"
#include "cli/scenario/scenario.h"
#include "traces/csv.h"
#include "traces/generator.h"
#include "traces/openb.h"
#include "traces/philly.h"
#include "traces/topology.h"

namespace plimsoll::cli {
namespace {

std::string data_of(const Scenario& scenario, const TraceSource& trace, const std::string& data) {
  if (!data.empty()) {
    return data;
  }
  return (std::filesystem::path(scenario.file).parent_path() / trace.data).lexically_normal();
}

std::unexpected<Error> at(const Scenario& scenario, std::int64_t line, const std::string& what) {
  return bad_input(fmt::format("{}:{}: {}", scenario.file, line, what));
}

// Node `index` of a group.
model::Node expand(const NodeGroup& group, std::int32_t index) {
  model::TopologyPath path = group.node.topology;
  const auto divide = [&](std::int32_t nodes, const char* letter, std::string& name) {
    if (nodes > 0) {
      const std::string& above = name.empty() ? group.node.name : name;
      name = fmt::format("{}-{}{}", above, letter, index / nodes);
    }
  };
  divide(group.nodes_per_block, "b", path.block);
  divide(group.nodes_per_rack, "r", path.rack);
  divide(group.nodes_per_nvlink_domain, "n", path.nvlink_domain);
  const std::string name =
      group.count == 0 ? group.node.name : fmt::format("{}-{}", group.node.name, index);
  model::Node node = traces::make_node(
      NodeId(), name,
      {.gpus = group.gpus, .gpu_model = group.gpu.model, .gpu_memory = group.gpu.memory},
      std::move(path));
  for (const auto& [key, value] : group.node.labels) {
    model::set_label(node.labels, key, value);
  }
  for (model::Gpu& gpu : node.gpus) {
    gpu.sharing = group.gpu.sharing;
  }
  node.capacity = group.node.capacity;
  node.allocatable = node.capacity;
  node.taints = group.node.taints;
  node.pool = group.node.pool;
  node.capacity_type = group.node.capacity_type;
  node.price = group.node.price;
  return node;
}

model::Workload jobs_of(const std::vector<JobGroup>& groups, std::uint64_t seed) {
  model::Workload workload;
  const Random root(seed);
  Random streams = root;
  for (const JobGroup& group : groups) {
    Random random(streams.next());
    const auto spec = static_cast<std::uint32_t>(
        std::find(workload.specs.begin(), workload.specs.end(), group.spec) -
        workload.specs.begin());
    if (spec == workload.specs.size()) {
      workload.specs.push_back(group.spec);
    }
    Time when = Time() + group.start;
    for (std::int32_t i = 0; i < std::max(1, group.count); ++i) {
      model::Job& job = workload.jobs.emplace_back(group.job);
      job.spec = SpecId(spec);
      job.submitted = when;
      if (group.count > 0) {
        job.name = fmt::format("{}-{}", group.job.name, i);
      }
      const bool random_gap = group.spacing == Spacing::poisson && group.every > Duration(0);
      when =
          when + (random_gap ? seconds(random.exponential(to_seconds(group.every))) : group.every);
    }
  }
  std::stable_sort(
      workload.jobs.begin(), workload.jobs.end(),
      [](const model::Job& a, const model::Job& b) { return a.submitted < b.submitted; });
  return workload;
}

void keep_first(model::Workload& workload, std::int32_t jobs_max) {
  if (jobs_max > 0 && workload.jobs.size() > static_cast<std::size_t>(jobs_max)) {
    workload.jobs.resize(static_cast<std::size_t>(jobs_max));
  }
}

// A node that is removed leaves its name to others.
Result<void> check_added_names(const Scenario& scenario, const model::Cluster& cluster) {
  std::set<std::string> taken;
  for (const model::Node& node : cluster.nodes) {
    taken.insert(node.name);
  }
  std::vector<const ScenarioEvent*> by_time;
  for (const ScenarioEvent& event : scenario.events) {
    by_time.push_back(&event);
  }
  std::ranges::stable_sort(by_time, {}, &ScenarioEvent::at);
  for (const ScenarioEvent* event : by_time) {
    if (event->kind == EventKind::remove) {
      taken.erase(event->target);
    }
    for (std::int32_t i = 0; event->kind == EventKind::add && i < std::max(1, event->added.count);
         ++i) {
      const std::string name = expand(event->added, i).name;
      if (!taken.insert(name).second) {
        return at(scenario, event->line,
                  fmt::format("{}.add: found the node {}, which is there already, expected another "
                              "name",
                              event->path, traces::quoted(name)));
      }
    }
  }
  return {};
}

}  // namespace

Result<model::Cluster> make_cluster(const Scenario& scenario, const std::string& data) {
  const TraceSource& trace = scenario.cluster_trace;
  if (trace.kind == TraceKind::openb) {
    return TRY(traces::read_openb(data_of(scenario, trace, data), trace.variant)).cluster;
  }
  if (trace.kind == TraceKind::lingjun) {
    return traces::read_lingjun(data_of(scenario, trace, data));
  }
  if (scenario.cluster_generator.used) {
    return traces::generate_cluster(scenario.cluster_generator.scale);
  }
  model::Cluster cluster;
  std::set<std::string> names;
  for (const NodeGroup& group : scenario.node_groups) {
    for (std::int32_t i = 0; i < std::max(1, group.count); ++i) {
      model::Node node = expand(group, i);
      node.id = NodeId(static_cast<std::uint32_t>(cluster.nodes.size()));
      if (!names.insert(node.name).second) {
        return at(scenario, group.line,
                  fmt::format("cluster.nodes: found two nodes named {}, expected each name once",
                              traces::quoted(node.name)));
      }
      cluster.nodes.push_back(std::move(node));
    }
  }
  return cluster;
}

Result<std::vector<sim::NodeEvent>> make_events(const Scenario& scenario,
                                                const model::Cluster& cluster) {
  std::map<std::string, NodeId> ids;
  for (const model::Node& node : cluster.nodes) {
    ids.emplace(node.name, node.id);
  }
  TRY_VOID(check_added_names(scenario, cluster));
  std::vector<sim::NodeEvent> events;
  for (const ScenarioEvent& event : scenario.events) {
    const Time when = Time() + event.at;
    if (event.kind == EventKind::add) {
      for (std::int32_t i = 0; i < std::max(1, event.added.count); ++i) {
        events.push_back(
            {.at = when, .kind = sim::NodeEvent::Kind::add, .node = expand(event.added, i)});
      }
      continue;
    }
    const auto found = ids.find(event.target);
    if (found == ids.end()) {
      return at(scenario, event.line,
                fmt::format("{}: found the node {}, expected one of the cluster", event.path,
                            traces::quoted(event.target)));
    }
    using Kind = sim::NodeEvent::Kind;
    const Kind kind = event.kind == EventKind::fail      ? Kind::fail
                      : event.kind == EventKind::recover ? Kind::recover
                                                         : Kind::remove;
    events.push_back({.at = when, .kind = kind, .target = found->second});
    if (event.lasts > Duration(0)) {
      events.push_back({.at = when + event.lasts, .kind = Kind::recover, .target = found->second});
    }
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const sim::NodeEvent& a, const sim::NodeEvent& b) { return a.at < b.at; });
  return events;
}

Result<WorkloadMaker> make_workload(const Scenario& scenario, const model::Cluster& cluster,
                                    const std::string& data) {
  if (const GeneratorSource& generator = scenario.workload_generator; generator.used) {
    return [generator, &cluster](std::uint64_t seed) {
      return traces::generate_workload(
          cluster, {.seed = seed, .days = generator.days, .load = generator.load});
    };
  }
  const TraceSource& trace = scenario.workload_trace;
  if (trace.kind == TraceKind::openb) {
    auto openb = std::make_shared<const traces::OpenbTrace>(
        TRY(traces::read_openb(data_of(scenario, trace, data), trace.variant)));
    return [openb, trace](std::uint64_t seed) {
      model::Workload workload = traces::openb_arrivals(*openb, trace.arrival, seed);
      keep_first(workload, trace.jobs_max);
      return workload;
    };
  }
  if (trace.kind == TraceKind::philly) {
    model::Workload workload = TRY(traces::read_philly(data_of(scenario, trace, data)));
    keep_first(workload, trace.jobs_max);
    return [workload = std::move(workload)](std::uint64_t) { return workload; };
  }
  return [groups = scenario.job_groups](std::uint64_t seed) { return jobs_of(groups, seed); };
}

}  // namespace plimsoll::cli
