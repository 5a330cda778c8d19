// Reads a file that is small by nature: a kubeconfig, a token, a certificate. Thread-safe.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace plimsoll::kube {

// Errors (bad_input): `path: …`: not there, not readable, not a file, larger than `bytes_max`.
Result<std::string> read_small_file(const std::string& path, std::size_t bytes_max);

}  // namespace plimsoll::kube
