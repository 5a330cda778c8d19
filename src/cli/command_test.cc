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
      {{"demo", "--lod", "1"},
       "plimsoll demo: unknown option '--lod'; did you mean '--load'? (see plimsoll demo "
       "--help)\n"},
      {{"demo", "--load", "nan"},
       "plimsoll: --load: found 'nan', expected a number from 0.05 to 3\n"},
      {{"simulate", "no/such.yaml"},
       "plimsoll: no/such.yaml: found 'No such file or directory' on opening it, expected a "
       "readable file\n"},
      {{"simulate", "examples/two-teams.yaml", "--seeds", "3-1"},
       "plimsoll: --seeds: found the range '3-1', expected its first seed to be at most its "
       "last\n"},
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
