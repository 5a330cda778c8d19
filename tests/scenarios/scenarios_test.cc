// Runs each scenario of this folder under its first policy and compares what happened, turn by
// turn, with the golden beside it. After a change that is meant, run this program with --update
// from the root, and read the difference.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "cli/scenario/scenario.h"
#include "sim/simulator.h"

namespace plimsoll {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string shares_text(const std::vector<model::GpuShare>& shares) {
  std::vector<std::string> parts;
  for (const model::GpuShare& share : shares) {
    std::string part = fmt::format("{}", share.index);
    if (share.mig_start >= 0) {
      part += fmt::format(" slices from {}", share.mig_start);
    } else if (share.milli != whole_gpu) {
      part += fmt::format(" {}m", share.milli.value());
    }
    parts.push_back(std::move(part));
  }
  return parts.empty() ? "" : fmt::format(", GPU {}", fmt::join(parts, ", "));
}

// What it is predicted to change.
std::string effect_text(const model::Effect& effect) {
  std::string text;
  if (effect.cost != MicroUsdPerHour()) {
    text += fmt::format(", ${:.2f}/h", static_cast<double>(effect.cost.value()) * 1e-6);
  }
  if (effect.finish_earlier != Duration()) {
    text += fmt::format(", {:.1f} s earlier", to_seconds(effect.finish_earlier));
  }
  return text;
}

std::string action_text(const model::Action& action, const model::Snapshot& truth) {
  const auto pod = [&](PodId id) { return truth.pods[id.index()].name; };
  if (const auto* bind = std::get_if<model::Bind>(&action.kind)) {
    return fmt::format("start {} on {}{}{}", pod(bind->pod),
                       truth.nodes[bind->binding.node.index()].name,
                       shares_text(bind->binding.gpus), effect_text(action.effect));
  }
  if (const auto* refuse = std::get_if<model::Refuse>(&action.kind)) {
    const std::string name = pod(refuse->pod);  // refused for good: it is gone by now
    return fmt::format("wait  {}: {}", name.empty() ? "(given up)" : name,
                       model::to_string(action.reason));
  }
  if (const auto* decline = std::get_if<model::Decline>(&action.kind)) {
    return fmt::format("decline {}: {}{}", truth.gangs[decline->gang.index()].name,
                       model::to_string(action.reason), effect_text(action.effect));
  }
  return "evict";
}

Result<std::string> play(const fs::path& path) {
  const cli::Scenario scenario = TRY(cli::load_scenario(path));
  const model::Cluster cluster = TRY(cli::make_cluster(scenario, ""));
  const model::Workload workload =
      TRY(cli::make_workload(scenario, cluster, ""))(scenario.seeds.front());
  sim::SimConfig config;
  config.scheduler.queue = scenario.queue;
  config.scheduler.placement.policy = scenario.policies.front();
  config.scheduler.placement.seed = scenario.seeds.front();
  config.node_events = TRY(cli::make_events(scenario, cluster));
  config.checkpoint_interval = scenario.checkpoint_every;
  config.until = scenario.until > Duration() ? Time() + scenario.until : never;
  std::string log;
  config.audit = [&](const sim::SimWorld& world, const control::Scheduler&,
                     const model::Plan& plan) -> Result<void> {
    for (const model::Action& action : plan.actions) {
      log += fmt::format("{:>8.1f} s  {}\n", to_seconds(plan.made - Time()),
                         action_text(action, world.truth()));
    }
    return {};
  };
  const sim::SimResult result = TRY(sim::simulate(cluster, workload, config));
  log += fmt::format(
      "\narrived {}, completed {}, running {}, pending {}, failed {}, restarts {}\n"
      "makespan {:.1f} s, mean completion {:.1f} s, mean wait {:.1f} s\n"
      "GPUs allocated {:.2f} %, busy {:.2f} %, cost {:.2f} USD, of it idle {:.2f} USD\n"
      "plan {}\n",
      result.arrived, result.completed, result.running, result.pending, result.failed,
      result.restarts, result.makespan_seconds, result.jct_seconds.mean, result.wait_seconds.mean,
      result.gpu_allocation_percent, result.gpu_utilization_percent, result.cost_usd,
      result.idle_cost_usd, result.plan_sha256);
  return log;
}

TEST(Scenarios, HappenAsTheirGoldensSay) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator("tests/scenarios")) {
    if (entry.path().extension() == ".yaml") {
      files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  ASSERT_GE(files.size(), 6U);
  const auto arguments = ::testing::internal::GetArgvs();
  const bool update = std::ranges::count(arguments, "--update") > 0;
  for (const fs::path& file : files) {
    const auto log = play(file);
    ASSERT_TRUE(log.has_value()) << log.error().message;
    const fs::path golden = fs::path(file).replace_extension(".golden");
    if (update) {
      std::ofstream(golden) << *log;
      continue;
    }
    EXPECT_EQ(*log, read(golden)) << file;
  }
}

}  // namespace
}  // namespace plimsoll
