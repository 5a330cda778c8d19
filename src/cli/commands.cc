#include "cli/command.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cli/parallel.h"
#include "cli/suggest.h"
#include "cli/version.h"

namespace plimsoll::cli {
namespace {

constexpr std::array all_commands = {
    Command{"demo", "A week on an embedded cluster: vanilla Kubernetes against Plimsoll", demo},
    Command{"simulate", "Replay a scenario or a named study in virtual time, and compare policies",
            simulate},
    Command{"run", "Schedule the pods of a live cluster that name this scheduler", run},
    Command{"plan", "Show what run would do on a live cluster now, and do nothing", plan},
    Command{"explain", "Say why a live pod is where it is, or why it waits", explain},
    Command{"snapshot", "Capture a live cluster in a file, to plan for and to simulate", snapshot},
    Command{"train", "Learn what a node could still hold from your own history", train},
};

void print_help() {
  fmt::print(
      "plimsoll {}: loads a Kubernetes GPU cluster up to the line that its objectives allow\n\n"
      "usage: plimsoll COMMAND [OPTIONS]\n\nCommands:\n",
      version);
  for (const Command& command : commands()) {
    fmt::print("  {:<12}{}\n", command.name, command.help);
  }
  fmt::print(
      "\nOptions:\n  -h, --help  Print this help, or that of a command\n"
      "  --version   Print the version\n\n"
      "Exit codes: 0 done, 1 failed, 2 bad input or usage, 3 done but the result breaks a stated "
      "objective, 130 stopped by Ctrl-C.\n\nExample:\n  plimsoll demo\n");
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    names.emplace_back(command.name);
  }
  return names;
}

int report_error(const Error& error) {
  // Usage errors name the command already.
  const char* prefix = error.message.starts_with("plimsoll ") ? "" : "plimsoll: ";
  fmt::print(stderr, "{}{}\n", prefix, error.message);
  if (process_stop_flag().requested()) {
    return exit_interrupted;
  }
  return error.code == ErrorCode::bad_input ? exit_bad_input : exit_failed;
}

// What was printed may not have been written yet.
int done_printing(int code) {
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  return written ? code : report_error({.message = "standard output: cannot write"});
}

}  // namespace

std::span<const Command> commands() { return all_commands; }

int run_command_line(const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    print_help();
    return done_printing(exit_bad_input);
  }
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h" || name == "help") {
    print_help();
    return done_printing(exit_done);
  }
  if (name == "--version") {
    fmt::print("plimsoll {}\n", version);
    return done_printing(exit_done);
  }
  const auto found = std::find_if(commands().begin(), commands().end(),
                                  [&](const Command& command) { return command.name == name; });
  if (found == commands().end()) {
    std::vector<std::string> known = command_names();
    known.insert(known.end(), {"--help", "--version"});
    return report_error({.code = ErrorCode::bad_input,
                         .message = fmt::format("unknown {} '{}'{} (see plimsoll --help)",
                                                name.starts_with('-') ? "option" : "command", name,
                                                suggestion(name, known))});
  }
  const Result<int> code = found->run({arguments.begin() + 1, arguments.end()});
  if (!code) {
    return report_error(code.error());
  }
  return done_printing(*code);
}

}  // namespace plimsoll::cli
