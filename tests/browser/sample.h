// A made-up result with every part that a report can show, and names that try to break out of it.
#pragma once

#include <string>

#include "cli/study.h"

namespace plimsoll::cli {

inline const std::string hostile_name = R"("><script>document.title='broken'</script>&amp;'\)";

inline Picture sample_picture(double level) {
  Picture picture;
  for (const char* name : {"gpu_allocation_percent", "gpu_utilization_percent", "pending_jobs"}) {
    Series series = {.name = name};
    for (int i = 0; i < 100; ++i) {
      series.x.push_back(i * 3600.0);
      series.y.push_back(level * (0.5 + 0.005 * ((i * 37) % 100)));
    }
    picture.timelines.push_back(std::move(series));
  }
  HeatFrame end = {.label = "at the end"};
  for (int node = 0; node < 40; ++node) {
    picture.nodes.push_back({.name = "node-" + std::to_string(node) + hostile_name,
                             .gpu_model = node < 10 ? "H100-80GB" : hostile_name,
                             .gpus = node < 10 ? 8 : 4});
    for (int gpu = 0; gpu < picture.nodes.back().gpus; ++gpu) {
      end.used_milli.push_back(static_cast<std::uint16_t>((node * 97 + gpu * 251) % 1001));
    }
  }
  HeatFrame start = end;
  start.label = "at the start" + hostile_name;
  picture.frames = {start, end};
  for (int i = 1; i < 2000; ++i) {
    picture.completion_seconds.push_back(i * i * 0.1 / level);
    picture.waiting_seconds.push_back(i * 0.5);
  }
  return picture;
}

inline StudyResult sample_result() {
  const auto run = [](std::uint64_t seed, double allocation, double wait, double refused) {
    return Run{.seed = seed,
               .metrics = {{"gpu_allocation_percent", allocation},
                           {"mean_wait_seconds", wait},
                           {"placed", 8152 - refused},
                           {"failed", refused}},
               .plan_sha256 = "0123456789abcdef"};
  };
  StudyResult result = {.study = "sample", .variant = "v"};
  result.policies = {{"vanilla", {run(42, 63.1, 8040, 152), run(43, 63.5, 8100, 148)}},
                     {hostile_name, {run(42, 66, 7040, 100), run(43, 66.2, 7000, 98)}},
                     {"plimsoll", {run(42, 71.9, 4040, 12), run(43, 72.1, 4060, 14)}}};
  double level = 70;
  for (PolicyResult& policy : result.policies) {
    policy.runs.front().picture = sample_picture(level);
    level += 12;
  }
  return result;
}

}  // namespace plimsoll::cli
