// Percent-encoding of one value in a path or a query (RFC 3986). Pure; thread-safe.
#pragma once

#include <string>
#include <string_view>

namespace plimsoll::kube {

// Everything but letters, digits and "-._~" as %XX.
std::string percent_encode(std::string_view text);

}  // namespace plimsoll::kube
