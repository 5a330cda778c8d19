// The version that --version and the report show.
#pragma once

namespace plimsoll::cli {

inline constexpr const char* version = "0.1.0";

}  // namespace plimsoll::cli
