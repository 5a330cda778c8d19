#include "cli/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/version.h"

namespace plimsoll::cli {
namespace {

using testing::HasSubstr;

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

Outcome call(const std::vector<std::string>& arguments) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome = {.code = run_command_line(arguments)};
  outcome.out = testing::internal::GetCapturedStdout();
  outcome.err = testing::internal::GetCapturedStderr();
  return outcome;
}

TEST(CommandLine, HelpAndVersion) {
  EXPECT_EQ(call({"--version"}).out, std::string("plimsoll ") + version + "\n");
  const Outcome help = call({"--help"});
  EXPECT_EQ(help.code, 0);
  for (const Command& command : commands()) {
    EXPECT_THAT(help.out, HasSubstr(command.name));
    const Outcome command_help = call({command.name, "--help"});
    EXPECT_EQ(command_help.code, 0) << command.name;
    EXPECT_THAT(command_help.out, HasSubstr("usage:")) << command.name;
  }
  EXPECT_EQ(call({}).code, exit_bad_input);
}

TEST(CommandLine, MistakesAreOneLineAndExit2) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"simulat"},
       "plimsoll: unknown command 'simulat'; did you mean 'simulate'? (see plimsoll --help)\n"},
      {{"--versio"},
       "plimsoll: unknown option '--versio'; did you mean '--version'? (see plimsoll --help)\n"},
      {{"simulate", "no-such-study"},
       "plimsoll: unknown study 'no-such-study' (see plimsoll simulate "
       "--help)\n"},
  };
  for (const auto& [arguments, line] : cases) {
    const Outcome outcome = call(arguments);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.err, line);
    EXPECT_EQ(outcome.out, "");
  }
}

}  // namespace
}  // namespace plimsoll::cli
