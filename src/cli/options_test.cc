#include "cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/study.h"

namespace plimsoll::cli {
namespace {

using testing::HasSubstr;

struct Settings {
  bool quiet = false;
  std::string name = "x";
  std::string format = "table";
  std::int64_t threads = 0;
  double arrival = 1.3;
};

void declare(Options& options, Settings& settings) {
  options.flag("--quiet", settings.quiet, "Say less");
  options.text("--name", settings.name, "A name");
  options.choice("-o,--output", settings.format, {"table", "json"}, "Format");
  options.integer("--threads", settings.threads, {.min = 0, .max = 64}, "Threads");
  options.number("--arrival", settings.arrival, {.min = 0.01}, "Load");
}

Result<bool> parse(Settings& settings, const std::vector<std::string>& arguments) {
  Options options("plimsoll test", "Tests things", "plimsoll test --quiet");
  declare(options, settings);
  return options.parse(arguments);
}

TEST(Options, ReadsEveryKind) {
  Settings settings;
  ASSERT_TRUE(parse(settings,
                    {"--quiet", "--name=a b", "-o", "json", "--threads", "8", "--arrival", "0.5"}));
  EXPECT_TRUE(settings.quiet);
  EXPECT_EQ(settings.name, "a b");
  EXPECT_EQ(settings.format, "json");
  EXPECT_EQ(settings.threads, 8);
  EXPECT_EQ(settings.arrival, 0.5);
}

TEST(Options, RefusesWithOneLine) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--thread", "3"},
       "plimsoll test: unknown option '--thread'; did you mean '--threads'? (see plimsoll test "
       "--help)"},
      {{"--zzz=3"}, "plimsoll test: unknown option '--zzz' (see plimsoll test --help)"},
      {{"stray"}, "plimsoll test: unexpected argument 'stray' (see plimsoll test --help)"},
      {{"--threads", "65"}, "--threads: found '65', expected an integer from 0 to 64"},
      {{"--threads", "8x"}, "--threads: found '8x', expected an integer from 0 to 64"},
      {{"--threads", "99999999999999999999"},
       "--threads: found '99999999999999999999', expected an integer from 0 to 64"},
      {{"--threads", ""}, "--threads: found '', expected an integer from 0 to 64"},
      {{"--arrival", "nan"}, "--arrival: found 'nan', expected a number of at least 0.01"},
      {{"--arrival", "inf"}, "--arrival: found 'inf', expected a number of at least 0.01"},
      {{"--arrival", "-1"}, "--arrival: found '-1', expected a number of at least 0.01"},
      {{"-o", "jsn"}, "--output: found 'jsn', expected one of table, json; did you mean 'json'?"},
      {{"--threads"}, "plimsoll test: --threads: 1 required N missing (see plimsoll test --help)"},
      {{"--threads", "1", "--threads", "2"},
       "plimsoll test: --threads: found 2 times, expected once"},
  };
  for (const auto& [arguments, message] : cases) {
    Settings settings;
    const auto parsed = parse(settings, arguments);
    ASSERT_FALSE(parsed) << message;
    EXPECT_EQ(parsed.error().message, message);
    EXPECT_EQ(parsed.error().code, ErrorCode::bad_input);
  }
}

TEST(Options, HelpComesFromTheDeclarations) {
  Settings settings;
  Options options("plimsoll test", "Tests things", "plimsoll test --quiet");
  declare(options, settings);
  EXPECT_TRUE(options.parse({"--help"}).value());
  const std::string help = options.help();
  for (const char* part : {"Tests things", "--threads N", "Threads [0]", "-o,--output table|json",
                           "Format [table]", "Load [1.3]", "Example:\n  plimsoll test --quiet\n"}) {
    EXPECT_THAT(help, HasSubstr(part));
  }
}

TEST(StudyOptions, CommonOptions) {
  Options options("plimsoll simulate test", "help", "example");
  StudyOptions study;
  declare_study_options(options, study, {"fgd", "vanilla", "plimsoll"}, "vanilla,plimsoll", "42");
  EXPECT_EQ(study.policies, (std::vector<std::string>{"vanilla", "plimsoll"}));
  ASSERT_TRUE(options.parse({"--data", "../d", "--policy", "fgd", "--seeds", "1-3", "--threads",
                             "2", "-o", "yaml", "--out", "r.yaml", "--placements", "p.csv"}));
  EXPECT_EQ(study.data, "../d");
  EXPECT_EQ(study.policies, (std::vector<std::string>{"fgd"}));
  EXPECT_EQ(study.seeds, (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(study.threads, 2U);
  EXPECT_EQ(study.format, "yaml");
  EXPECT_EQ(study.out, "r.yaml");
  EXPECT_EQ(study.placements, "p.csv");
}

TEST(StudyOptions, UnknownPolicyIsSuggested) {
  Options options("plimsoll simulate test", "help", "example");
  StudyOptions study;
  declare_study_options(options, study, {"fgd", "vanilla", "plimsoll"}, "vanilla", "42");
  const auto parsed = options.parse({"--policy", "vanila"});
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().message,
            "--policy: found 'vanila', expected a policy out of fgd, vanilla, plimsoll; did you "
            "mean 'vanilla'?");
}

}  // namespace
}  // namespace plimsoll::cli
