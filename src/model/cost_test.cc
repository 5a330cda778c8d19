#include "model/cost.h"

#include <gtest/gtest.h>

namespace plimsoll::model {
namespace {

Node node(std::size_t gpus) {
  Node made;
  made.allocatable = {.cpu = Millicores(64'000), .memory = gibibyte * 256};
  made.price = MicroUsdPerHour(32'000'000);
  made.gpus.assign(gpus, {.model = "A100-80GB"});
  return made;
}

TEST(Cost, IsTheShareOfTheNodeThatAPodTakes) {
  const Resources half_the_cores{.cpu = Millicores(32'000), .memory = gibibyte * 64};
  const Resources most_of_the_memory{.cpu = Millicores(1'000), .memory = gibibyte * 192};
  const struct {
    const char* what;
    std::size_t gpus;
    Resources requests;
    GpuRequest gpu;
    std::int64_t dollars;
  } cases[] = {
      {"cores", 0, half_the_cores, {}, 16},
      {"memory", 0, most_of_the_memory, {}, 24},
      {"cores of a node with GPUs", 8, half_the_cores, {}, 16},
      {"GPUs, not cores", 8, half_the_cores, {.count = 2}, 8},
      {"half a GPU", 8, {}, {.count = 1, .milli = GpuMilli(500)}, 2},
      {"3g.40gb is half an A100-80GB", 8, {}, {.count = 1, .mig_profile = "3g.40gb"}, 2},
      {"all of it", 8, {}, {.count = 8}, 32},
      {"GPUs that are not there", 0, half_the_cores, {.count = 1}, 0},
      {"an unknown profile", 8, {}, {.count = 1, .mig_profile = "9g.90gb"}, 0},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(NodePrice(node(c.gpus)).share(c.requests, c.gpu),
              MicroUsdPerHour(c.dollars * 1'000'000))
        << c.what;
  }
}

TEST(Cost, ANodeWithoutAPriceCostsNothing) {
  Node free = node(8);
  free.price = {};
  EXPECT_EQ(NodePrice(free).share({}, {.count = 4}), MicroUsdPerHour());
  EXPECT_EQ(NodePrice().share({.cpu = Millicores(1000)}, {}), MicroUsdPerHour());
}

}  // namespace
}  // namespace plimsoll::model
