#include "traces/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/random.h"
#include "base/result.h"

namespace plimsoll::traces {
namespace {

constexpr std::int64_t hour_seconds = 3600;
constexpr std::int64_t day_seconds = 24 * hour_seconds;

// One of several values, drawn in proportion to its weight.
template <typename T>
struct Weighted {
  T value;
  std::uint32_t weight;
};
template <typename T, std::size_t n>
const T& draw(Random& random, const std::array<Weighted<T>, n>& table) {
  std::uint64_t total = 0;
  for (const Weighted<T>& entry : table) {
    total += entry.weight;
  }
  std::uint64_t left = random.below(total);
  for (const Weighted<T>& entry : table) {
    if (left < entry.weight) {
      return entry.value;
    }
    left -= entry.weight;
  }
  broken_invariant("a draw lies within the weights");
}

// Log-normal in hours, cut off at both ends.
struct Hours {
  double median;
  double sigma;
  double low;
  double high;
};
Duration draw_duration(Random& random, const Hours& hours) {
  const double drawn = hours.median * std::exp(hours.sigma * random.normal());
  const double cut = std::clamp(drawn, hours.low, hours.high);
  return seconds(static_cast<std::int64_t>(cut * hour_seconds));
}

// How busy the GPUs of a job are: normal, kept within 2 to 100 %.
std::int32_t draw_busy(Random& random, double mean, double deviation) {
  return static_cast<std::int32_t>(
      std::clamp(1000 * (mean + deviation * random.normal()), 20.0, 1000.0));
}

// Relative rate of arrivals in each hour of a weekday, in percent of the peak.
using DayShape = std::array<std::int32_t, 24>;
constexpr DayShape working_day = {30, 25, 20, 18,  18, 20, 28, 40, 60, 80, 92, 95,
                                  85, 88, 98, 100, 98, 92, 82, 72, 62, 54, 45, 36};
constexpr DayShape office_day = {2,  1,  1,  1,   1,  2,  6,  20, 60, 95, 100, 90,
                                 55, 80, 98, 100, 92, 75, 45, 22, 14, 10, 6,   4};
constexpr DayShape night_batch = {95, 100, 100, 90, 80, 65, 50, 40, 35, 40, 45, 45,
                                  40, 40,  45,  45, 40, 40, 40, 45, 50, 60, 75, 90};

struct Rhythm {
  DayShape shape;
  std::int32_t weekend_percent;
};

bool is_weekend(std::int64_t day) { return day % 7 >= 5; }

// An instant within `days`, by the rhythm; uniform within its hour.
Time draw_arrival(Random& random, const Rhythm& rhythm, std::int32_t days) {
  constexpr int tries_max = 10'000;  // the rarest rhythm accepts every fifth
  for (int i = 0; i < tries_max; ++i) {
    const auto at =
        static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(days) * day_seconds));
    const auto hour = static_cast<std::size_t>(at % day_seconds / hour_seconds);
    const std::int64_t percent =
        rhythm.shape[hour] * (is_weekend(at / day_seconds) ? rhythm.weekend_percent : 100) / 100;
    if (static_cast<std::int64_t>(random.below(100)) < percent) {
      return Time{} + seconds(at);
    }
  }
  broken_invariant("an arrival is drawn");
}

constexpr std::array<Weighted<const char*>, 5> teams = {
    {{"research", 35}, {"language", 22}, {"vision", 18}, {"ads", 15}, {"platform", 10}}};

enum Models : std::uint8_t {
  h100_only,
  a100_only,
  big,
  a100_or_l4,
  l4_or_t4,
  l4_only,
  any_but_h100
};

std::vector<std::string> names_of(Models models) {
  switch (models) {
    case h100_only:
      return {"H100-80GB"};
    case a100_only:
      return {"A100-80GB"};
    case big:
      return {"A100-80GB", "H100-80GB"};
    case a100_or_l4:
      return {"A100-80GB", "L4-24GB"};
    case l4_or_t4:
      return {"L4-24GB", "T4-16GB"};
    case l4_only:
      return {"L4-24GB"};
    case any_but_h100:
      return {"A100-80GB", "L4-24GB", "T4-16GB"};
  }
  broken_invariant("a known set of GPU models");
}

// What a training gang sums in every step, and how long a step computes. Bytes are parameters times
// four (FP32 gradients) or two (FP16, BF16); the parameters are the models' published counts. Steps
// are ours: they leave a gang on one rack 5 to 20 % of its time for the sum, as is usual where it
// does not overlap with the computation.
struct TrainedModel {
  const char* name;
  std::int64_t gradient_bytes;
  double step_seconds;
};
constexpr TrainedModel resnet50 = {"ResNet-50, FP32", 25'600'000LL * 4, 0.15};
constexpr TrainedModel dlrm = {"DLRM, its dense part, FP32", 60'000'000LL * 4, 0.25};
constexpr TrainedModel vit_large = {"ViT-L/16, FP16", 304'000'000LL * 2, 0.6};
constexpr TrainedModel bert_large = {"BERT-large, FP16", 340'000'000LL * 2, 0.5};
constexpr TrainedModel gpt2_xl = {"GPT-2 XL, FP16", 1'558'000'000LL * 2, 3};
constexpr TrainedModel llama_7b = {"Llama 2 7B, BF16", 6'738'000'000LL * 2, 18};
constexpr TrainedModel llama_13b = {"Llama 2 13B, BF16", 13'016'000'000LL * 2, 30};

// The larger the gang, the larger the model; each team has its own. No random number is drawn.
const TrainedModel& model_of(std::string_view team, std::int32_t gpus) {
  const bool large = gpus > 32;
  const bool small = gpus <= 16;
  if (team == "vision") return small ? resnet50 : vit_large;
  if (team == "ads") return small ? dlrm : bert_large;
  if (team == "language") return small ? gpt2_xl : large ? llama_13b : llama_7b;
  if (team == "research") return small ? bert_large : large ? llama_7b : gpt2_xl;
  return small ? resnet50 : bert_large;
}

constexpr std::int32_t inference_priority = 1000;
constexpr std::int32_t notebook_priority = 500;
constexpr std::int32_t training_priority = 100;

class Generator {
 public:
  Generator(const model::Cluster& cluster, const GeneratorConfig& config)
      : config_(config), random_(config.seed) {
    for (const model::Node& node : cluster.nodes) {
      if (node.gpus.empty()) {
        cpu_cores_ += static_cast<double>(node.allocatable.cpu.value()) * 1e-3;
      } else {
        gpus_ += static_cast<double>(node.gpus.size());
      }
    }
  }

  model::Workload run() {
    const double gpu_hours = gpus_ * 24.0 * config_.days * config_.load;
    spent_ = 0;
    add_services(0.165 * gpu_hours);
    add_mig(0.023 * gpu_hours);
    add_notebooks(0.035 * gpu_hours);
    add_gpu_batch(0.14 * gpu_hours);
    add_training(gpu_hours - spent_);
    add_cpu_batch(0.85 * cpu_cores_ * 24.0 * config_.days * config_.load);
    std::ranges::stable_sort(workload_.jobs, {}, &model::Job::submitted);
    return std::move(workload_);
  }

 private:
  [[nodiscard]] Time horizon() const { return Time{} + seconds(config_.days * day_seconds); }
  // Hours that the job would run before the end if it started at once.
  [[nodiscard]] double hours_of(const model::Job& job) const {
    const Duration left = horizon() - job.submitted;
    const Duration runs = job.duration == Duration{} ? left : std::min(job.duration, left);
    return to_seconds(runs) / hour_seconds;
  }

  model::PodSpec new_spec(const char* kind, const char* team) const {
    model::PodSpec spec;
    spec.name_space = team;
    model::set_label(spec.labels, "plimsoll.dev/class", kind);
    return spec;
  }
  SpecId intern(model::PodSpec spec) {
    const auto found = std::ranges::find(workload_.specs, spec);
    const auto index = static_cast<std::uint32_t>(found - workload_.specs.begin());
    if (found == workload_.specs.end()) {
      workload_.specs.push_back(std::move(spec));
    }
    return SpecId(index);
  }

  // Adds the job if `hours` more keep within `budget`, up to a hundredth of it.
  bool take(model::Job job, double hours, double budget, double& used) {
    if (used + hours > budget * 1.01) {
      return false;
    }
    used += hours;
    workload_.jobs.push_back(std::move(job));
    return true;
  }
  // Draws jobs until the budget is used, or too many in a row would pass it.
  template <typename Make>
  double fill(double budget, Make make) {
    constexpr int refusals_max = 50;
    double used = 0;
    for (int refused = 0; used < budget && refused < refusals_max;) {
      auto [job, hours] = make(used);
      refused = take(std::move(job), hours, budget, used) ? 0 : refused + 1;
    }
    return used;
  }

  void add_services(double budget) {
    static constexpr std::array<Weighted<std::int32_t>, 9> share = {{{100, 8},
                                                                     {200, 16},
                                                                     {250, 12},
                                                                     {300, 12},
                                                                     {400, 12},
                                                                     {500, 14},
                                                                     {600, 8},
                                                                     {750, 6},
                                                                     {1000, 12}}};
    static constexpr std::array<Weighted<std::int32_t>, 7> replicas = {
        {{1, 14}, {2, 26}, {3, 20}, {4, 14}, {6, 12}, {8, 8}, {12, 6}}};
    static constexpr std::array<Weighted<Models>, 4> accepted = {
        {{l4_or_t4, 50}, {l4_only, 20}, {any_but_h100, 18}, {a100_only, 12}}};
    int service = 0;
    spent_ += fill_services(budget, [&](double& used) {
      const char* team = draw(random_, teams);
      model::PodSpec spec = new_spec("inference", team);
      const std::string name = fmt::format("svc-{:02}", service++);
      model::set_label(spec.labels, "app", name);
      spec.gpu.count = 1;
      spec.gpu.milli = GpuMilli(draw(random_, share));
      spec.gpu.models = names_of(draw(random_, accepted));
      spec.requests.cpu = Millicores(2000 + spec.gpu.milli.value() * 6);
      spec.requests.memory = gibibyte * (8 + spec.gpu.milli.value() / 50);
      spec.priority = inference_priority;
      const std::int32_t base = draw(random_, replicas);
      if (base >= 3) {
        spec.spread.push_back({.max_skew = 1,
                               .topology_key = "topology.kubernetes.io/zone",
                               .hard = false,
                               .selector = {{.key = "app", .values = {name}}}});
      }
      model::Job job;
      job.tenant = team;
      job.spec = intern(std::move(spec));
      job.gpu_utilization_milli = draw_busy(random_, 0.35, 0.15);
      // Two in three are there from the start; the others come during the time.
      const Time start = random_.below(3) < 2
                             ? Time{} + seconds(static_cast<std::int64_t>(random_.below(900)))
                             : draw_arrival(random_, {office_day, 10}, config_.days);
      add_replicas(job, name, base, start, budget, used);
    });
  }

  template <typename Add>
  static double fill_services(double budget, Add add) {
    constexpr int services_max = 100'000;
    double used = 0;
    for (int i = 0; i < services_max && used < 0.99 * budget; ++i) {
      add(used);
    }
    return used;
  }

  // The replicas that never end, and those that come and go with the working day.
  void add_replicas(model::Job job, const std::string& name, std::int32_t base, Time start,
                    double budget, double& used) {
    const double share =
        static_cast<double>(workload_.specs[job.spec.index()].gpu.milli.value()) * 1e-3;
    job.submitted = start;
    for (std::int32_t i = 0; i < base; ++i) {
      job.name = fmt::format("{}-{}", name, i);
      take(job, share * hours_of(job), budget, used);
    }
    const std::int32_t extra = base / 2;
    for (std::int64_t day = 0; day < config_.days; ++day) {
      for (std::int32_t i = 0; i < extra && !is_weekend(day); ++i) {
        const auto morning = static_cast<std::int64_t>(8 * hour_seconds + random_.below(3600));
        const auto evening = static_cast<std::int64_t>(19 * hour_seconds + random_.below(7200));
        job.submitted = Time{} + seconds(day * day_seconds + morning);
        job.duration = seconds(evening - morning);
        if (job.submitted >= start) {
          job.name = fmt::format("{}-day{}-{}", name, day, i);
          take(job, share * hours_of(job), budget, used);
        }
      }
    }
  }

  void add_mig(double budget) {
    struct Cut {
      const char* profile;
      std::int32_t sevenths;
    };
    static constexpr std::array<Weighted<Cut>, 3> cuts = {
        {{{"1g.10gb", 1}, 50}, {{"2g.20gb", 2}, 30}, {{"3g.40gb", 3}, 20}}};
    int next = 0;
    spent_ += fill(budget, [&](double) {
      const Cut& cut = draw(random_, cuts);
      const char* team = draw(random_, teams);
      model::PodSpec spec = new_spec("inference", team);
      spec.gpu.count = 1;
      spec.gpu.mig_profile = cut.profile;
      spec.gpu.models = names_of(a100_only);
      spec.requests.cpu = Millicores(1500 * cut.sevenths);
      spec.requests.memory = gibibyte * (8 * cut.sevenths);
      spec.priority = inference_priority;
      model::Job job;
      job.name = fmt::format("mig-{:03}", next++);
      job.tenant = team;
      job.spec = intern(std::move(spec));
      job.gpu_utilization_milli = draw_busy(random_, 0.4, 0.15);
      const bool lasting = random_.below(4) == 0;
      job.submitted = lasting ? Time{} + seconds(static_cast<std::int64_t>(random_.below(900)))
                              : draw_arrival(random_, {working_day, 50}, config_.days);
      job.duration = lasting ? Duration{} : draw_duration(random_, {12, 0.9, 1, 72});
      const double hours = cut.sevenths / 7.0 * hours_of(job);
      return std::pair(std::move(job), hours);
    });
  }

  void add_notebooks(double budget) {
    static constexpr std::array<Weighted<std::int32_t>, 5> share = {
        {{200, 22}, {250, 28}, {300, 15}, {500, 25}, {1000, 10}}};
    static constexpr std::array<Weighted<Models>, 3> accepted = {
        {{l4_or_t4, 65}, {any_but_h100, 25}, {a100_only, 10}}};
    int next = 0;
    spent_ += fill(budget, [&](double) {
      const char* team = draw(random_, teams);
      model::PodSpec spec = new_spec("notebook", team);
      spec.gpu.count = 1;
      spec.gpu.milli = GpuMilli(draw(random_, share));
      spec.gpu.models = names_of(draw(random_, accepted));
      spec.requests.cpu = Millicores(4000);
      spec.requests.memory = gibibyte * 16;
      spec.priority = notebook_priority;
      const double milli = static_cast<double>(spec.gpu.milli.value());
      model::Job job;
      job.name = fmt::format("notebook-{:04}", next++);
      job.tenant = team;
      job.spec = intern(std::move(spec));
      job.submitted = draw_arrival(random_, {office_day, 15}, config_.days);
      job.duration = draw_duration(random_, {3.5, 0.7, 0.2, 12});
      job.gpu_utilization_milli = draw_busy(random_, 0.14, 0.06);
      const double hours = milli * 1e-3 * hours_of(job);
      return std::pair(std::move(job), hours);
    });
  }

  void add_gpu_batch(double budget) {
    static constexpr std::array<Weighted<std::int32_t>, 5> milli = {
        {{500, 20}, {600, 10}, {700, 10}, {1000, 45}, {2000, 15}}};
    static constexpr std::array<Weighted<std::int32_t>, 4> cores = {
        {{4, 25}, {8, 40}, {10, 25}, {16, 10}}};
    static constexpr std::array<Weighted<Models>, 3> accepted = {
        {{l4_or_t4, 35}, {a100_or_l4, 35}, {any_but_h100, 30}}};
    int next = 0;
    spent_ += fill(budget, [&](double) {
      const char* team = draw(random_, teams);
      model::PodSpec spec = new_spec("batch", team);
      const std::int32_t asked = draw(random_, milli);
      spec.gpu.count = asked > 1000 ? asked / 1000 : 1;
      spec.gpu.milli = GpuMilli(std::min(asked, 1000));
      spec.gpu.models = names_of(draw(random_, accepted));
      spec.requests.cpu = Millicores(1000) * draw(random_, cores);
      spec.requests.memory = gibibyte * 24 * spec.gpu.count;
      model::Job job;
      job.name = fmt::format("batch-{:04}", next++);
      job.tenant = team;
      job.spec = intern(std::move(spec));
      job.submitted = draw_arrival(random_, {working_day, 70}, config_.days);
      job.duration = draw_duration(random_, {3, 1.2, 0.1, 36});
      job.gpu_utilization_milli = draw_busy(random_, 0.5, 0.2);
      const double hours = asked * 1e-3 * hours_of(job);
      return std::pair(std::move(job), hours);
    });
  }

  void add_training(double budget) {
    int next = 0;
    // A cluster in use does not start empty: seven tenths of an even load are there at once.
    const double even_gpus = budget / (24.0 * config_.days);
    double standing_gpus = 0;
    spent_ += fill(budget, [&](double) {
      model::Job job = draw_training();
      job.name = fmt::format("train-{:04}", next++);
      const model::PodSpec& spec = workload_.specs[job.spec.index()];
      const double gpus = job.members * spec.gpu.count;
      if (standing_gpus + gpus <= 0.7 * even_gpus) {
        standing_gpus += gpus;
        job.submitted = Time{} + seconds(static_cast<std::int64_t>(random_.below(900)));
      } else {
        job.submitted = draw_arrival(random_, {working_day, 60}, config_.days);
      }
      const double hours = gpus * hours_of(job);
      return std::pair(std::move(job), hours);
    });
  }

  model::Job draw_training() {
    struct Size {
      std::int32_t gpus;
      double median_hours;
    };
    static constexpr std::array<Weighted<Size>, 7> sizes = {{{{1, 1.5}, 220},
                                                             {{2, 2}, 160},
                                                             {{4, 2}, 180},
                                                             {{8, 4}, 250},
                                                             {{16, 6}, 110},
                                                             {{32, 8}, 60},
                                                             {{64, 8}, 20}}};
    static constexpr std::array<Weighted<Models>, 3> large = {
        {{h100_only, 30}, {a100_only, 35}, {big, 35}}};
    static constexpr std::array<Weighted<Models>, 4> small = {
        {{big, 40}, {a100_only, 35}, {a100_or_l4, 15}, {h100_only, 10}}};
    static constexpr std::array<Weighted<std::int32_t>, 3> cores_per_gpu = {
        {{6, 40}, {8, 35}, {10, 25}}};
    static constexpr std::array<Weighted<std::int32_t>, 3> gib_per_gpu = {
        {{32, 40}, {64, 35}, {96, 25}}};
    const Size& size = draw(random_, sizes);
    const char* team = draw(random_, teams);
    model::PodSpec spec = new_spec("training", team);
    spec.gpu.count = std::min(size.gpus, 8);
    const Models models = size.gpus >= 8 ? draw(random_, large) : draw(random_, small);
    spec.gpu.models = names_of(models);
    // What must also fit on an L4 host asks for no more than such a host's part.
    const bool fits_l4 = models == a100_or_l4;
    spec.requests.cpu = Millicores(1000) * draw(random_, cores_per_gpu) * spec.gpu.count;
    spec.requests.memory = gibibyte * (fits_l4 ? 32 : draw(random_, gib_per_gpu)) * spec.gpu.count;
    spec.priority = training_priority;
    if (models == h100_only || models == big) {
      spec.tolerations.push_back({.key = "plimsoll.dev/dedicated", .value = "training"});
    }
    model::Job job;
    job.tenant = team;
    job.spec = intern(std::move(spec));
    job.members = std::max(size.gpus / 8, 1);
    if (job.members > 1) {
      const TrainedModel& trained = model_of(team, size.gpus);
      job.gradients = Bytes(trained.gradient_bytes);
      job.step = seconds(trained.step_seconds);
      job.preferred_level = model::TopologyLevel::rack;
      job.required_level =
          random_.below(10) < 3 ? model::TopologyLevel::block : model::TopologyLevel::none;
    }
    job.duration = draw_duration(random_, {size.median_hours, 1.2, 0.1, 60});
    job.gpu_utilization_milli = draw_busy(random_, 0.6, 0.2);
    return job;
  }

  void add_cpu_batch(double budget_core_hours) {
    static constexpr std::array<Weighted<std::int32_t>, 4> cores = {
        {{4, 25}, {8, 30}, {16, 30}, {32, 15}}};
    static constexpr std::array<Weighted<std::int32_t>, 2> gib_per_core = {{{2, 60}, {4, 40}}};
    int next = 0;
    fill(budget_core_hours, [&](double) {
      const char* team = draw(random_, teams);
      model::PodSpec spec = new_spec("cpu-batch", team);
      const std::int32_t asked = draw(random_, cores);
      spec.requests.cpu = Millicores(1000) * asked;
      spec.requests.memory = gibibyte * asked * draw(random_, gib_per_core);
      model::Job job;
      job.name = fmt::format("cpu-{:04}", next++);
      job.tenant = team;
      job.spec = intern(std::move(spec));
      job.submitted = draw_arrival(random_, {night_batch, 90}, config_.days);
      job.duration = draw_duration(random_, {2, 1.2, 0.05, 24});
      const double hours = asked * hours_of(job);
      return std::pair(std::move(job), hours);
    });
  }

  GeneratorConfig config_;
  Random random_;
  double gpus_ = 0;
  double cpu_cores_ = 0;  // of nodes without GPUs
  double spent_ = 0;      // GPU hours so far
  model::Workload workload_;
};

}  // namespace

model::Workload generate_workload(const model::Cluster& cluster, const GeneratorConfig& config) {
  check(config.days >= 1 && config.days <= 60 && config.load >= 0.05 && config.load <= 3,
        "the generator's bounds");
  return Generator(cluster, config).run();
}

GeneratedTrace generate(const GeneratorConfig& config) {
  check(config.scale >= 1 && config.scale <= 100, "the generator's scale");
  GeneratedTrace trace;
  trace.cluster = generate_cluster(config.scale);
  trace.workload = generate_workload(trace.cluster, config);
  return trace;
}

}  // namespace plimsoll::traces
