// Base64 as kubeconfigs and the Basic scheme use it (RFC 4648, with padding). Pure; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace plimsoll::kube {

std::string base64_encode(std::string_view bytes);
// Nothing, if `text` is not Base64. White space inside is skipped.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace plimsoll::kube
