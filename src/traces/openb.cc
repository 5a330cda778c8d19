#include "traces/openb.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <span>
#include <tuple>
#include <unordered_map>

#include "base/random.h"
#include "traces/csv.h"
#include "traces/load.h"

namespace plimsoll::traces {
namespace {

using model::PodSpec;

constexpr std::int64_t cpu_milli_max = 1'000'000'000;
constexpr std::int64_t memory_mib_max = 1'000'000'000;
constexpr std::int64_t gpus_max = 64;  // of a node, and of a pod
constexpr std::size_t nodes_max = 200'000;
constexpr std::int64_t pods_per_node = 1001;  // as in the simulator's node list

// Memory of the trace's GPU models in MiB, as the published simulator has them.
constexpr std::array<std::pair<std::string_view, std::int64_t>, 14> gpu_memory_mib = {{
    {"P4", 7611},
    {"2080", 11019},
    {"1080", 11178},
    {"M40", 11448},
    {"T4", 15109},
    {"V100M16", 16160},
    {"P100", 16280},
    {"A10", 22731},
    {"3090", 24268},
    {"V100M32", 32510},
    {"A100", 81251},
    {"G1", 1000},
    {"G2", 20000},
    {"G3", 30000},
}};

Bytes gpu_memory(std::string_view gpu_model) {
  for (const auto& [name, mib] : gpu_memory_mib) {
    if (name == gpu_model) {
      return mebibyte * mib;
    }
  }
  return Bytes{};
}

struct NamedLine {
  std::string_view name;
  std::int64_t line = 0;
  std::size_t row = 0;
};

// Sorts by name and finds the first line that repeats one.
Result<void> sort_unique(std::vector<NamedLine>& rows, std::string_view file,
                         std::string_view column) {
  const auto order = [](const NamedLine& a, const NamedLine& b) {
    return std::tie(a.name, a.line) < std::tie(b.name, b.line);
  };
  if (!std::ranges::is_sorted(rows, order)) {
    std::ranges::sort(rows, order);
  }
  const NamedLine* repeated = nullptr;
  const NamedLine* first = nullptr;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].name == rows[i - 1].name &&
        (repeated == nullptr || rows[i].line < repeated->line)) {
      repeated = &rows[i];
      first = &rows[i - 1];
    }
  }
  if (repeated != nullptr) {
    return bad_input(fmt::format("{}:{}: {}: found {} of line {} again, expected a new name", file,
                                 repeated->line, column, quoted(repeated->name), first->line));
  }
  return {};
}

Result<model::Cluster> parse_nodes(const OpenbFile& file) {
  enum Column : std::size_t { sn, cpu, memory, gpu, gpu_model };
  constexpr std::array<CsvColumn, 5> columns = {
      {{"sn"}, {"cpu_milli"}, {"memory_mib"}, {"gpu"}, {"model"}}};
  CsvReader reader = TRY(CsvReader::make(file.text, file.name, columns));
  model::Cluster cluster;
  std::vector<std::int64_t> lines;
  while (TRY(reader.next())) {
    if (cluster.nodes.size() == nodes_max) {
      return reader.error("row", fmt::format("more than {} nodes", nodes_max), "at most that");
    }
    model::Node node;
    node.id = NodeId(static_cast<std::uint32_t>(cluster.nodes.size()));
    node.name = TRY(reader.name(sn));
    node.capacity.cpu = Millicores(TRY(reader.integer(cpu, 0, cpu_milli_max)));
    node.capacity.memory = mebibyte * TRY(reader.integer(memory, 0, memory_mib_max));
    node.capacity.pods = pods_per_node;
    node.allocatable = node.capacity;
    const auto gpus = static_cast<std::size_t>(TRY(reader.integer(gpu, 0, gpus_max)));
    if (gpus > 0) {
      model::Gpu one;
      one.model = TRY(reader.name(gpu_model));
      one.memory = gpu_memory(one.model);
      node.gpus.assign(gpus, one);
    }
    lines.push_back(reader.line());
    cluster.nodes.push_back(std::move(node));
  }
  std::vector<NamedLine> names(lines.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    names[i] = {cluster.nodes[i].name, lines[i], i};
  }
  TRY_VOID(sort_unique(names, file.name, "sn"));
  return cluster;
}

// Gives equal specs one id, in the order in which they are first seen.
class SpecTable {
 public:
  struct Key {
    std::int64_t cpu_milli = 0;
    std::int64_t memory_mib = 0;
    std::int64_t gpus = 0;
    std::int64_t gpu_milli = 0;
    std::size_t models = 0;

    friend bool operator==(const Key&, const Key&) = default;
  };

  // The id of the accepted models in `gpu_spec`, for Key::models.
  std::size_t models_of(std::string_view gpu_spec) {
    if (gpu_spec == last_spec_) {  // rows often repeat it
      return last_models_;
    }
    last_spec_ = gpu_spec;
    std::vector<std::string> models;
    while (!gpu_spec.empty()) {
      const std::size_t end = std::min(gpu_spec.find('|'), gpu_spec.size());
      if (end > 0) {
        models.emplace_back(gpu_spec.substr(0, end));
      }
      gpu_spec.remove_prefix(std::min(end + 1, gpu_spec.size()));
    }
    std::ranges::sort(models);
    models.erase(std::ranges::unique(models).begin(), models.end());
    last_models_ = model_lists_.try_emplace(std::move(models), model_lists_.size()).first->second;
    return last_models_;
  }

  SpecId intern(const Key& key) {
    const auto [slot, added] =
        ids_.try_emplace(key, SpecId(static_cast<std::uint32_t>(keys_.size())));
    if (added) {
      keys_.push_back(key);
    }
    return slot->second;
  }

  [[nodiscard]] std::vector<PodSpec> specs() const {
    std::vector<const std::vector<std::string>*> models(model_lists_.size());
    for (const auto& [list, id] : model_lists_) {
      models[id] = &list;
    }
    std::vector<PodSpec> specs(keys_.size());
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      const Key& key = keys_[i];
      specs[i].requests.cpu = Millicores(key.cpu_milli);
      specs[i].requests.memory = mebibyte * key.memory_mib;
      if (key.gpus > 0) {
        specs[i].gpu.count = static_cast<std::int32_t>(key.gpus);
        specs[i].gpu.milli = GpuMilli(key.gpu_milli);
        specs[i].gpu.models = *models[key.models];
      }
    }
    return specs;
  }

 private:
  struct Hash {
    std::size_t operator()(const Key& key) const {
      std::uint64_t mixed = 0;
      for (const std::uint64_t part :
           {static_cast<std::uint64_t>(key.cpu_milli), static_cast<std::uint64_t>(key.memory_mib),
            static_cast<std::uint64_t>(key.gpus), static_cast<std::uint64_t>(key.gpu_milli),
            static_cast<std::uint64_t>(key.models)}) {
        mixed = (mixed ^ part) * 0x9e3779b97f4a7c15ULL;
        mixed ^= mixed >> 29;
      }
      return mixed;
    }
  };

  std::map<std::vector<std::string>, std::size_t> model_lists_{{{}, 0}};
  std::string last_spec_;
  std::size_t last_models_ = 0;
  std::unordered_map<Key, SpecId, Hash> ids_;  // looked up only, never walked
  std::vector<Key> keys_;
};

Result<void> parse_pods(const OpenbFile& file, OpenbTrace& trace) {
  enum Column : std::size_t { name, cpu, memory, num_gpu, gpu_milli, gpu_spec };
  constexpr std::array<CsvColumn, 6> columns = {
      {{"name"}, {"cpu_milli"}, {"memory_mib"}, {"num_gpu"}, {"gpu_milli"}, {"gpu_spec", false}}};
  CsvReader reader = TRY(CsvReader::make(file.text, file.name, columns));
  SpecTable table;
  std::vector<std::pair<std::string, SpecId>> pods;
  std::vector<std::int64_t> lines;
  while (TRY(reader.next())) {
    SpecTable::Key key;
    const std::string_view pod = TRY(reader.name(name));
    key.cpu_milli = TRY(reader.integer(cpu, 0, cpu_milli_max));
    key.memory_mib = TRY(reader.integer(memory, 0, memory_mib_max));
    key.gpus = TRY(reader.integer(num_gpu, 0, gpus_max));
    const std::int64_t milli = TRY(reader.integer(gpu_milli, 0, whole_gpu.value()));
    if (key.gpus == 1 && milli == 0) {
      return reader.unexpected(gpu_milli, "1 to 1000 for a pod with a GPU");
    }
    if (key.gpus > 1 && milli != whole_gpu.value()) {
      return reader.unexpected(gpu_milli, "1000 for a pod with several GPUs");
    }
    if (key.gpus > 0) {
      key.gpu_milli = milli;
      key.models = table.models_of(reader.text(gpu_spec));
    }
    pods.emplace_back(pod, table.intern(key));
    lines.push_back(reader.line());
  }
  std::vector<NamedLine> names(pods.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    names[i] = {pods[i].first, lines[i], i};
  }
  TRY_VOID(sort_unique(names, file.name, "name"));
  trace.specs = table.specs();
  trace.pods.reserve(pods.size());
  for (const NamedLine& pod : names) {
    trace.pods.push_back(std::move(pods[pod.row]));
  }
  return {};
}

std::int64_t gpu_milli_of(const PodSpec& spec) { return spec.gpu.count * spec.gpu.milli.value(); }

}  // namespace

Result<OpenbTrace> parse_openb(const OpenbFile& nodes, const OpenbFile& pods) {
  OpenbTrace trace;
  trace.cluster = TRY(parse_nodes(nodes));
  TRY_VOID(parse_pods(pods, trace));
  return trace;
}

Result<OpenbTrace> read_openb(const std::string& data, const std::string& variant) {
  constexpr std::string_view prefix = "openb_pod_list_";
  const std::string folder = data_folder(data, "openb");
  const std::vector<std::string> variants = TRY(list_folder(folder, prefix, ".csv"));
  if (std::ranges::find(variants, variant) == variants.end()) {
    return bad_input(fmt::format("{}: variant: found {}, expected {}", folder, quoted(variant),
                                 variants.empty()
                                     ? fmt::format("files {}<variant>.csv", prefix)
                                     : fmt::format("one of {}", fmt::join(variants, ", "))));
  }
  OpenbFile nodes{{}, folder + "/openb_node_list_gpu_node.csv"};
  OpenbFile pods{{}, fmt::format("{}/{}{}.csv", folder, prefix, variant)};
  const std::string nodes_text = TRY(load(nodes.name));
  const std::string pods_text = TRY(load(pods.name));
  nodes.text = nodes_text;
  pods.text = pods_text;
  return parse_openb(nodes, pods);
}

model::Workload openb_arrivals(const OpenbTrace& trace, double arrival_ratio, std::uint64_t seed) {
  Random random(seed);
  std::int64_t capacity_milli = 0;
  for (const model::Node& node : trace.cluster.nodes) {
    capacity_milli += static_cast<std::int64_t>(node.gpus.size()) * whole_gpu.value();
  }
  const auto spec_of = [&](std::size_t pod) -> const PodSpec& {
    return trace.specs[trace.pods[pod].second.index()];
  };
  std::vector<std::uint32_t> order(trace.pods.size());
  std::iota(order.begin(), order.end(), 0U);
  random.shuffle(std::span(order));
  std::int64_t asked_milli = 0;
  for (const std::uint32_t pod : order) {
    asked_milli += gpu_milli_of(spec_of(pod));
  }
  const double target_milli = arrival_ratio * static_cast<double>(capacity_milli);
  while (static_cast<double>(asked_milli) > target_milli && !order.empty()) {
    asked_milli -= gpu_milli_of(spec_of(order.back()));  // the last of a shuffled list is any
    order.pop_back();
  }
  const std::size_t original = order.size();
  // Without a GPU pod in the trace nothing would ever end the draw.
  const bool grow = original == trace.pods.size() && asked_milli > 0 &&
                    static_cast<double>(asked_milli) < target_milli;
  while (grow && order.size() < openb_arrivals_max) {
    const auto drawn = static_cast<std::uint32_t>(random.below(trace.pods.size()));
    const PodSpec& spec = spec_of(drawn);
    const std::int64_t one_gpu_milli = spec.gpu.count > 0 ? spec.gpu.milli.value() : 0;
    if (static_cast<double>(asked_milli + one_gpu_milli) > target_milli) {
      break;
    }
    asked_milli += gpu_milli_of(spec);
    order.push_back(drawn);
  }

  model::Workload workload;
  workload.specs = trace.specs;
  workload.jobs.resize(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto& [name, spec] = trace.pods[order[i]];
    model::Job& job = workload.jobs[i];
    job.name = i < original ? name : fmt::format("{}-tuned-{}", name, i - original);
    job.submitted = Time{} + seconds(static_cast<std::int64_t>(i));
    job.spec = spec;
  }
  return workload;
}

std::vector<std::pair<PodSpec, std::int64_t>> typical_pods(const OpenbTrace& trace,
                                                           double coverage_percent) {
  // What FGD tells apart, in the order in which it breaks ties.
  using Shape = std::tuple<std::int64_t, std::int64_t, std::int32_t, std::vector<std::string>>;
  std::vector<std::int64_t> pods_of_spec(trace.specs.size());
  for (const auto& [name, spec] : trace.pods) {
    ++pods_of_spec[spec.index()];
  }
  std::map<Shape, std::int64_t> counts;
  for (std::size_t i = 0; i < trace.specs.size(); ++i) {
    const PodSpec& spec = trace.specs[i];
    const std::int64_t milli = spec.gpu.count > 0 ? spec.gpu.milli.value() : 0;
    counts[{spec.requests.cpu.value(), milli, spec.gpu.count, spec.gpu.models}] += pods_of_spec[i];
  }
  std::vector<std::pair<std::int64_t, Shape>> ranked;
  for (const auto& [shape, count] : counts) {
    ranked.emplace_back(count, shape);
  }
  std::ranges::sort(ranked, std::greater<>{});
  const double expected = coverage_percent * static_cast<double>(trace.pods.size()) / 100.0;
  std::vector<std::pair<PodSpec, std::int64_t>> typical;
  std::int64_t covered = 0;
  for (const auto& [count, shape] : ranked) {
    if (static_cast<double>(covered) >= expected) {
      break;
    }
    covered += count;
    const auto& [cpu_milli, milli, gpus, models] = shape;
    PodSpec spec;
    spec.requests.cpu = Millicores(cpu_milli);
    if (gpus > 0) {
      spec.gpu.count = gpus;
      spec.gpu.milli = GpuMilli(milli);
      spec.gpu.models = models;
    }
    typical.emplace_back(std::move(spec), count);
  }
  return typical;
}

}  // namespace plimsoll::traces
