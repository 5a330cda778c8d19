// What must be known of certificates before they are used: that they are some, that they are valid
// now, that the key is theirs. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace plimsoll::kube {

// Errors (bad_input), each the second half of a message, "found …, expected …".
// At least one certificate in PEM.
Result<void> check_certificates(std::string_view pem);
// A certificate that is valid at `unix_us`, and the private key that belongs to it.
Result<void> check_certificate_and_key(std::string_view certificate_pem, std::string_view key_pem,
                                       std::int64_t unix_us);

}  // namespace plimsoll::kube
