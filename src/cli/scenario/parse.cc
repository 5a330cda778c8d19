// The fields of a scenario file, each declared once.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "cli/scenario/scenario.h"
#include "cli/seeds.h"
#include "cli/sim_run.h"
#include "control/queue_policy.h"
#include "engines/placement/engine.h"
#include "traces/csv.h"
#include "traces/load.h"

namespace plimsoll::cli {
namespace {

constexpr std::int64_t members_max = 10'000;
constexpr std::int16_t gpus_per_node_max = 64;
constexpr double price_max = 1e6;

constexpr std::initializer_list<std::pair<const char*, model::TopologyLevel>> levels = {
    {"none", model::TopologyLevel::none},
    {"zone", model::TopologyLevel::zone},
    {"block", model::TopologyLevel::block},
    {"rack", model::TopologyLevel::rack},
    {"nvlink_domain", model::TopologyLevel::nvlink_domain},
    {"host", model::TopologyLevel::host}};

constexpr std::initializer_list<std::pair<const char*, model::TaintEffect>> effects = {
    {"NoSchedule", model::TaintEffect::no_schedule},
    {"PreferNoSchedule", model::TaintEffect::prefer_no_schedule},
    {"NoExecute", model::TaintEffect::no_execute}};

void read_node(Fields& fields, NodeGroup& group) {
  model::Node& node = group.node;
  group.line = fields.line();
  fields.required("name").name("name", node.name, "Node name; with a count, name-0, name-1, …");
  fields.integer("count", group.count, {.min = 1, .max = scenario_nodes_max},
                 "How many equal nodes; absent: one, named without a number");
  fields.required("cpu").cores("cpu", node.capacity.cpu, "CPU cores");
  fields.required("memory").bytes("memory", node.capacity.memory, "Memory");
  fields.bytes("ephemeral_storage", node.capacity.ephemeral_storage, "Local disk");
  node.capacity.pods = 110;
  fields.integer("pods", node.capacity.pods, {.min = 1, .max = 100'000}, "Most pods");
  fields.integer("gpus", group.gpus, {.min = 0, .max = gpus_per_node_max}, "GPUs");
  fields.text("gpu_model", group.gpu.model, "For instance A100-80GB");
  fields.bytes("gpu_memory", group.gpu.memory, "Memory of each GPU");
  fields.choice("gpu_sharing", group.gpu.sharing,
                {{"shared", model::GpuSharing::shared},
                 {"whole", model::GpuSharing::whole},
                 {"mig", model::GpuSharing::mig}},
                "How GPUs are handed out: by thousandths, whole, or in MIG instances");
  fields.labels("labels", node.labels, "Node labels");
  fields.each("taints", "Node taints", [&](Fields& taint) {
    model::Taint read;
    taint.required("key").text("key", read.key, "Key");
    taint.text("value", read.value, "Value");
    taint.choice("effect", read.effect, effects, "Effect");
    node.taints.push_back(std::move(read));
  });
  fields.group("topology", "Where the nodes stand; a rack is inside its block", [&](Fields& place) {
    place.text("zone", node.topology.zone, "Zone");
    place.text("block", node.topology.block, "Block of racks");
    place.text("rack", node.topology.rack, "Rack");
    place.text("nvlink_domain", node.topology.nvlink_domain, "NVLink domain");
    const IntegerBounds bounds = {.min = 1, .max = scenario_nodes_max};
    place.integer("nodes_per_block", group.nodes_per_block, bounds,
                  "Start a new block after so many nodes");
    place.integer("nodes_per_rack", group.nodes_per_rack, bounds,
                  "Start a new rack after so many nodes");
    place.integer("nodes_per_nvlink_domain", group.nodes_per_nvlink_domain, bounds,
                  "Start a new NVLink domain after so many nodes");
  });
  fields.text("pool", node.pool, "Node pool");
  fields.choice("capacity_type", node.capacity_type,
                {{"on_demand", model::CapacityType::on_demand},
                 {"spot", model::CapacityType::spot},
                 {"reserved", model::CapacityType::reserved}},
                "How it is paid for");
  double price = 0;
  fields.number("price_per_hour", price, {.min = 0, .max = price_max}, "US dollars");
  node.price = MicroUsdPerHour(std::llround(price * 1e6));
  if (group.gpus == 0 && fields.has("gpu_model")) {
    fields.fail("gpu_model", "a GPU model on a node without GPUs", "gpus of at least 1");
  }
  if (group.gpus > 0 && group.gpu.model.empty()) {
    fields.fail("gpu_model", "nothing", "a GPU model, as the node has GPUs");
  }
}

// Exactly one of three sources must be given.
void one_source(Fields& fields, const char* listed) {
  std::vector<std::string> given;
  for (const char* key : {listed, "trace", "generator"}) {
    if (fields.has(key)) {
      given.emplace_back(key);
    }
  }
  if (given.empty()) {
    fields.fail_whole(fmt::format("none of {}, trace and generator", listed), "one of them");
  } else if (given.size() > 1) {
    fields.fail_whole(fmt::format("{}", fmt::join(given, " and ")),
                      fmt::format("one of {}, trace and generator", listed));
  }
}

void read_data(Fields& fields, TraceSource& trace) {
  fields.required("data").text("data", trace.data,
                               "Folder of the trace, seen from this file; --data replaces it");
}

void read_cluster(Fields& fields, Scenario& scenario) {
  fields.each("nodes", "Groups of equal nodes",
              [&](Fields& node) { read_node(node, scenario.node_groups.emplace_back()); });
  fields.group("trace", "The nodes of a public trace", [&](Fields& trace) {
    TraceSource& source = scenario.cluster_trace;
    source.kind = TraceKind::openb;
    trace.required("kind").choice("kind", source.kind,
                                  {{"openb", TraceKind::openb}, {"lingjun", TraceKind::lingjun}},
                                  "Which trace");
    read_data(trace, source);
  });
  fields.group(
      "generator", "The embedded mixed cluster: 82 nodes, 432 GPUs", [&](Fields& generator) {
        GeneratorSource& source = scenario.cluster_generator;
        source.used = true;
        generator.integer("scale", source.scale, {.min = 1, .max = 100}, "So many times as large");
      });
  one_source(fields, "nodes");
  std::int64_t nodes = 0;
  for (const NodeGroup& group : scenario.node_groups) {
    nodes += std::max(1, group.count);
  }
  if (nodes > scenario_nodes_max) {
    fields.fail("nodes", fmt::format("{} nodes", nodes),
                fmt::format("at most {}", scenario_nodes_max));
  } else if (nodes == 0 && fields.has("nodes")) {
    fields.fail("nodes", "no nodes", "at least one");
  }
}

void read_selector(Fields& fields, model::LabelSelector& selector) {
  model::Labels labels;
  fields.required("match_labels").labels("match_labels", labels, "Labels of the pods it is about");
  for (auto& [key, value] : labels) {
    selector.push_back({.key = key, .op = model::SelectorOperator::in, .values = {value}});
  }
}

void read_gpu_request(Fields& fields, model::GpuRequest& gpu) {
  fields.integer("gpus", gpu.count, {.min = 0, .max = gpus_per_node_max},
                 "GPUs of each pod, or MIG instances");
  std::int64_t milli = 1000;
  fields.integer("gpu_milli", milli, {.min = 1, .max = 1000},
                 "Thousandths of the GPU; below 1000 only with gpus: 1");
  gpu.milli = GpuMilli(milli);
  fields.text("mig_profile", gpu.mig_profile, "For instance 1g.10gb");
  fields.texts("gpu_models", gpu.models, "Accepted GPU models; empty: any");
  std::sort(gpu.models.begin(), gpu.models.end());
  gpu.models.erase(std::unique(gpu.models.begin(), gpu.models.end()), gpu.models.end());
  fields.bytes("gpu_memory_min", gpu.memory_min, "Least memory of each GPU");
  if (milli < 1000 && gpu.count != 1) {
    fields.fail("gpu_milli", fmt::format("{} with gpus: {}", milli, gpu.count), "gpus: 1");
  }
  if (!gpu.mig_profile.empty() && (gpu.count < 1 || milli < 1000)) {
    fields.fail("mig_profile", "a MIG profile", "gpus of at least 1 and no gpu_milli");
  }
}

void read_pod(Fields& fields, model::PodSpec& spec) {
  fields.cores("cpu", spec.requests.cpu, "CPU cores of each pod");
  fields.bytes("memory", spec.requests.memory, "Memory of each pod");
  fields.bytes("ephemeral_storage", spec.requests.ephemeral_storage, "Local disk of each pod");
  read_gpu_request(fields, spec.gpu);
  fields.name("namespace", spec.name_space, "Namespace");
  fields.labels("labels", spec.labels, "Pod labels");
  fields.labels("node_selector", spec.node_selector, "Labels that the node must have");
  fields.each("tolerations", "Taints that the pods tolerate", [&](Fields& toleration) {
    model::Toleration read;
    toleration.text("key", read.key, "Key; empty with exists: every taint");
    toleration.choice("operator", read.op,
                      {{"Equal", model::TolerationOperator::equal},
                       {"Exists", model::TolerationOperator::exists}},
                      "Operator");
    toleration.text("value", read.value, "Value");
    if (toleration.has("effect") || toleration.is_reference()) {
      toleration.choice("effect", read.effect.emplace(), effects, "Effect; absent: every one");
    }
    spec.tolerations.push_back(std::move(read));
  });
  fields.each("anti_affinity", "Apart from such pods, within one domain", [&](Fields& term) {
    model::PodAffinityTerm read;
    term.required("topology_key").text("topology_key", read.topology_key, "Node label");
    term.integer("weight", read.weight, {.min = 0, .max = 100}, "0: required; else preferred");
    read_selector(term, read.selector);
    spec.anti_affinity.push_back(std::move(read));
  });
  fields.each("spread", "Evenly over domains", [&](Fields& term) {
    model::TopologySpread read;
    term.required("topology_key").text("topology_key", read.topology_key, "Node label");
    term.integer("max_skew", read.max_skew, {.min = 1, .max = 1'000'000}, "Most difference");
    term.flag("hard", read.hard, "DoNotSchedule; else ScheduleAnyway");
    read_selector(term, read.selector);
    spec.spread.push_back(std::move(read));
  });
  fields.integer("priority", spec.priority, {.min = -1'000'000'000, .max = 1'000'000'000},
                 "Higher goes first");
}

void read_job(Fields& fields, JobGroup& group) {
  model::Job& job = group.job;
  fields.required("name").name("name", job.name, "Job name; with a count, name-0, name-1, …");
  fields.integer("count", group.count, {.min = 1, .max = scenario_pods_max},
                 "How many equal jobs; absent: one, named without a number");
  fields.duration("start", group.start, "When the first arrives");
  fields.duration("every", group.every, "Time between two; the mean, with poisson arrivals");
  fields.choice("arrivals", group.spacing, {{"even", Spacing::even}, {"poisson", Spacing::poisson}},
                "How they are spaced");
  fields.text("tenant", job.tenant, "Whose they are");
  fields.integer("members", job.members, {.min = 1, .max = members_max},
                 "Pods that start together or not at all");
  fields.duration("duration", job.duration, "How long each runs; absent: a service, for ever");
  fields.bytes("gradients", job.gradients,
               "Summed over its GPUs in every step: slower where it is spread out");
  fields.duration("step", job.step, "How long a step computes, with gradients");
  fields.choice("required_level", job.required_level, levels, "All members inside one such domain");
  fields.choice("preferred_level", job.preferred_level, levels, "The same if it is possible");
  double utilization = 100;
  fields.number("gpu_utilization_percent", utilization, {.min = 0, .max = 100},
                "How busy its GPUs are");
  job.gpu_utilization_milli = static_cast<std::int32_t>(std::lround(utilization * 10));
  read_pod(fields, group.spec);
  if (fields.has("duration") && job.duration == Duration(0)) {
    fields.fail("duration", "0", "a duration above 0, or none for a service");
  }
}

void read_workload(Fields& fields, Scenario& scenario) {
  fields.each("jobs", "Groups of equal jobs",
              [&](Fields& job) { read_job(job, scenario.job_groups.emplace_back()); });
  fields.group("trace", "The jobs of a public trace", [&](Fields& trace) {
    TraceSource& source = scenario.workload_trace;
    source.kind = TraceKind::openb;
    trace.required("kind").choice("kind", source.kind,
                                  {{"openb", TraceKind::openb}, {"philly", TraceKind::philly}},
                                  "Which trace");
    read_data(trace, source);
    trace.text("variant", source.variant, "Of openb: default, cpu0, gpushare100, …");
    trace.number("arrival", source.arrival, {.min = 0.01, .max = 10},
                 "Of openb: GPUs asked over GPUs there");
    trace.integer("jobs_max", source.jobs_max, {.min = 1, .max = scenario_pods_max},
                  "Only so many jobs; absent: all");
  });
  fields.group("generator", "Training, services, notebooks and batch jobs over days",
               [&](Fields& generator) {
                 GeneratorSource& source = scenario.workload_generator;
                 source.used = true;
                 generator.integer("days", source.days, {.min = 1, .max = 60},
                                   "From Monday at 0:00");
                 generator.number("load", source.load, {.min = 0.05, .max = 3},
                                  "GPU time asked over GPU time there");
               });
  one_source(fields, "jobs");
  std::int64_t pods = 0;
  for (const JobGroup& group : scenario.job_groups) {
    pods += static_cast<std::int64_t>(std::max(1, group.count)) * group.job.members;
  }
  if (pods > scenario_pods_max) {
    fields.fail("jobs", fmt::format("{} pods", pods), fmt::format("at most {}", scenario_pods_max));
  }
}

void read_event(Fields& fields, ScenarioEvent& event) {
  event.line = fields.line();
  event.path = fields.path();
  fields.required("at").duration("at", event.at, "When");
  int kinds = 0;
  const auto target = [&](const char* key, EventKind kind, const char* doc) {
    fields.text(key, event.target, doc);
    if (fields.has(key)) {
      event.kind = kind;
      ++kinds;
    }
  };
  target("fail", EventKind::fail, "A node that fails: its pods are lost");
  target("recover", EventKind::recover, "A node that is ready again");
  target("remove", EventKind::remove, "A node that goes for good");
  fields.duration("for", event.lasts, "Of a failure: how long; absent: until it recovers");
  fields.group("add", "A node that comes, with the fields of cluster.nodes", [&](Fields& node) {
    if (!node.is_reference()) {
      read_node(node, event.added);
    }
  });
  if (fields.has("add")) {
    event.kind = EventKind::add;
    ++kinds;
  }
  if (kinds != 1 && !fields.is_reference()) {
    fields.fail("at", fmt::format("{} of fail, recover, remove and add", kinds), "one of them");
  }
  if (event.kind != EventKind::fail && fields.has("for")) {
    fields.fail("for", "a duration", "it only with fail");
  }
}

void read_objective(Fields& fields, Objective& objective,
                    const std::vector<std::string>& policies) {
  fields.required("metric").one_of_names("metric", objective.metric, sim_metric_names(),
                                         "A metric of the result");
  fields.one_of_names("policy", objective.policy, policies, "Whose; absent: every policy's");
  fields.number("min", objective.min, {}, "Least mean over the seeds");
  fields.number("max", objective.max, {}, "Most");
  if (!fields.has("min") && !fields.has("max")) {
    fields.fail("metric", "no bound", "min or max");
  }
}

void read_scenario(Fields& fields, Scenario& scenario) {
  fields.required("name").name("name", scenario.name, "Name of the scenario");
  fields.required("cluster").group("cluster", "The nodes",
                                   [&](Fields& cluster) { read_cluster(cluster, scenario); });
  fields.required("workload").group("workload", "What arrives", [&](Fields& work) {
    read_workload(work, scenario);
  });
  std::vector<std::string> known;
  for (const placement::PolicyInfo& policy : placement::policies()) {
    known.emplace_back(policy.name);
  }
  fields.texts("policies", scenario.policies, "Placement policies to compare");
  if (fields.has("policies")) {
    if (scenario.policies.empty()) {
      fields.fail("policies", "nothing", "at least one policy");
    } else if (const auto named = parse_names(fmt::format("{}", fmt::join(scenario.policies, ",")),
                                              "policy", known);
               !named) {
      fields.error("policies", named.error().message);
    }
  }
  std::vector<std::string> queues;
  for (const control::QueuePolicy& queue : control::queue_policies()) {
    queues.emplace_back(queue.name);
  }
  fields.one_of_names("queue", scenario.queue, queues, "The order in which pending work is tried");
  fields.custom(
      "seeds", "seeds", seeds_text(scenario.seeds), "Seeds: 7, 42-51 or 1,5,9",
      [&](const YamlNode& node) {
        const auto seeds =
            node.kind == YamlNode::Kind::scalar
                ? parse_seeds(node.text)
                : bad_input(fmt::format("found {}, expected seeds such as 42, 42-51 or 1,5,9",
                                        found_text(node)));
        if (seeds) {
          scenario.seeds = *seeds;
        } else {
          fields.error("seeds", seeds.error().message);
        }
      });
  fields.each("events", "What happens to nodes",
              [&](Fields& event) { read_event(event, scenario.events.emplace_back()); });
  fields.duration("until", scenario.until, "When it ends; absent: when all work that ends is done");
  fields.duration(
      "checkpoint_every", scenario.checkpoint_every,
      "A job that loses a pod goes on from its last checkpoint; absent: from its start");
  if (fields.has("checkpoint_every") && scenario.checkpoint_every == Duration()) {
    fields.fail("checkpoint_every", "0", "a duration above 0, or none: from its start");
  }
  fields.each("objectives", "Bounds on the result; a broken one: exit 3", [&](Fields& objective) {
    read_objective(objective, scenario.objectives.emplace_back(), scenario.policies);
  });
}

}  // namespace

Result<Scenario> parse_scenario(std::string_view text, const std::string& file) {
  const YamlNode root = TRY(parse_yaml(text, file));
  Reading reading(file);
  Scenario scenario;
  scenario.file = file;
  if (root.kind != YamlNode::Kind::mapping) {
    reading.fail(1, "", found_text(root), "a mapping");
  } else {
    Fields fields(reading, &root, "");
    read_scenario(fields, scenario);
    fields.finish();
  }
  TRY_VOID(reading.result());
  return scenario;
}

Result<Scenario> load_scenario(const std::string& file) {
  return parse_scenario(TRY(traces::load(file, yaml_bytes_max)), file);
}

std::string scenario_reference() {
  Reading reading("");
  Scenario scenario;
  Fields fields(reading, nullptr, "");
  read_scenario(fields, scenario);
  return reference_text(reading.docs);
}

}  // namespace plimsoll::cli
