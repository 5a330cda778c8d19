// Whether benchmarks run at their smallest size, as they do among the tests (PLIMSOLL_TINY is set).
#pragma once

#include <cstdlib>

namespace plimsoll::bench {

inline bool tiny() { return std::getenv("PLIMSOLL_TINY") != nullptr; }

}  // namespace plimsoll::bench
