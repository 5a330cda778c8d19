// What one run looked like, for the HTML report. Values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace plimsoll::cli {

// A quantity over the run. `name` is a metric (metrics.h); x is seconds, or what Picture says.
struct Series {
  std::string name;
  std::vector<double> x;  // ascending
  std::vector<double> y;  // as long as x; the value holds until the next x
};

// How full each GPU was: thousandths, nodes in order, each node's GPUs in order.
struct HeatFrame {
  std::string label;  // when: "at the end", "mean over the run", "100 % of the load"
  std::vector<std::uint16_t> used_milli;
};

struct HeatNode {
  std::string name;
  std::string gpu_model;
  std::int32_t gpus = 0;
};

struct Picture {
  std::string x_label = "time";  // "time": x is in seconds and is shown as hours and minutes
  std::vector<Series> timelines;
  std::vector<HeatNode> nodes;
  std::vector<HeatFrame> frames;           // a few dozen at most; the last is shown first
  std::vector<double> completion_seconds;  // of each finished job, from submission
  std::vector<double> waiting_seconds;     // of each started job
};

}  // namespace plimsoll::cli
