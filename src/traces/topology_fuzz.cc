#include "traces/fuzz_check.h"
#include "traces/topology.h"

using namespace plimsoll;
using namespace plimsoll::traces;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto cluster = parse_lingjun(fuzz_text(data, size), "f", {.gpus = 1});
  check_error(cluster);
  if (cluster) {
    const model::Snapshot snapshot{.nodes = cluster->nodes};
    check(model::validate(snapshot).has_value(), "the nodes hold together");
  }
  return 0;
}
