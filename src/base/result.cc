#include "base/result.h"

#include <cstdio>
#include <cstdlib>

namespace plimsoll {

void broken_invariant(std::string_view what, std::source_location where) {
  std::fprintf(stderr, "plimsoll: broken invariant: %.*s (%s:%u, %s)\n",
               static_cast<int>(what.size()), what.data(), where.file_name(),
               static_cast<unsigned>(where.line()), where.function_name());
  std::abort();
}

}  // namespace plimsoll
