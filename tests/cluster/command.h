// Runs a command for a test and takes what it says. Stateless; thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace plimsoll::cluster {

// Where up, down, restart and build are.
std::string script(std::string_view name);

// What the command writes, to standard error too; where it fails, an error with the same in it.
// `input` is a file.
Result<std::string> output_of(const std::vector<std::string>& command,
                              const std::string& input = "/dev/null");

}  // namespace plimsoll::cluster
