// The subcommands: one table of name, help and function (commands.cc); each has its own file.
#pragma once

#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace plimsoll::cli {

// What the process ends with. 0 to 3 are a promise to scripts.
enum ExitCode : int {
  exit_done = 0,
  exit_failed = 1,
  exit_bad_input = 2,         // a file, a flag or a field is wrong; nothing ran
  exit_objective_broken = 3,  // done, but the result breaks a stated objective
  exit_interrupted = 130,     // Ctrl-C
};

// Takes the arguments after its name. Prints its result; returns the exit code, or an error that
// main prints.
using CommandFunction = Result<int> (*)(const std::vector<std::string>& arguments);

struct Command {
  const char* name;
  const char* help;  // one line
  CommandFunction run;
};

std::span<const Command> commands();

Result<int> demo(const std::vector<std::string>& arguments);
Result<int> simulate(const std::vector<std::string>& arguments);
Result<int> train(const std::vector<std::string>& arguments);
Result<int> run(const std::vector<std::string>& arguments);
Result<int> plan(const std::vector<std::string>& arguments);
Result<int> explain(const std::vector<std::string>& arguments);
Result<int> snapshot(const std::vector<std::string>& arguments);

// The whole program but for signals. Results go to standard output, errors to standard error.
int run_command_line(const std::vector<std::string>& arguments);

}  // namespace plimsoll::cli
