#include <algorithm>

#include "traces/fuzz_check.h"
#include "traces/openb.h"

using namespace plimsoll;
using namespace plimsoll::traces;

// The input is the nodes' file, a line of '=', and the pods' file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::string_view divider = "\n=\n";
  const std::string_view text = fuzz_text(data, size);
  const std::size_t at = std::min(text.find(divider), text.size());
  const std::string_view pods = text.substr(std::min(at + divider.size(), text.size()));
  const auto trace = parse_openb({text.substr(0, at), "nodes"}, {pods, "pods"});
  check_error(trace);
  if (trace) {
    const model::Snapshot snapshot{.nodes = trace->cluster.nodes};
    check(model::validate(snapshot).has_value(), "the nodes hold together");
    // A tiny share of a GPU on a large cluster makes millions of arrivals; that is not the reader.
    if (trace->cluster.nodes.size() < 4) {
      check_workload(openb_arrivals(*trace, 1.3, size));
    }
    check_workload(openb_arrivals(*trace, 0.3, size));
    check(typical_pods(*trace).size() <= trace->specs.size(), "typical pods are specs");
  }
  return 0;
}
