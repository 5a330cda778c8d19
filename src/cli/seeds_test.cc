#include "cli/seeds.h"

#include <gtest/gtest.h>

namespace plimsoll::cli {
namespace {

TEST(Seeds, ReadsNumbersAndRanges) {
  EXPECT_EQ(parse_seeds("7").value(), (std::vector<std::uint64_t>{7}));
  EXPECT_EQ(parse_seeds("42-45").value(), (std::vector<std::uint64_t>{42, 43, 44, 45}));
  EXPECT_EQ(parse_seeds("9,1,4-5").value(), (std::vector<std::uint64_t>{9, 1, 4, 5}));
  EXPECT_EQ(parse_seeds("18446744073709551615").value().front(), UINT64_MAX);
  EXPECT_EQ(parse_seeds("18446744073709551614-18446744073709551615").value().size(), 2U);
  EXPECT_EQ(parse_seeds("0-9999").value().size(), seeds_max);
}

TEST(Seeds, RefusesWithOneLine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "found '', expected seeds such as 42, 42-51 or 1,5,9"},
      {"x", "found 'x', expected seeds such as 42, 42-51 or 1,5,9"},
      {"1,", "found '', expected seeds such as 42, 42-51 or 1,5,9"},
      {"-3", "found '-3', expected seeds such as 42, 42-51 or 1,5,9"},
      {"1-", "found '1-', expected seeds such as 42, 42-51 or 1,5,9"},
      {"1-2-3", "found '1-2-3', expected seeds such as 42, 42-51 or 1,5,9"},
      {"1.5", "found '1.5', expected seeds such as 42, 42-51 or 1,5,9"},
      {"99999999999999999999",
       "found '99999999999999999999', expected seeds such as 42, 42-51 or 1,5,9"},
      {"5-4", "found the range '5-4', expected its first seed to be at most its last"},
      {"1,2,1", "found seed 1 twice, expected each seed once"},
      {"0-10000", "found more than 10000 seeds, expected at most 10000"},
      {"0-18446744073709551615", "found more than 10000 seeds, expected at most 10000"},
      {"0-9998,20000-20001", "found more than 10000 seeds, expected at most 10000"},
  };
  for (const auto& [text, message] : cases) {
    const auto seeds = parse_seeds(text);
    ASSERT_FALSE(seeds.has_value()) << text;
    EXPECT_EQ(seeds.error().message, message) << text;
    EXPECT_EQ(seeds.error().code, ErrorCode::bad_input);
  }
}

TEST(Seeds, TextReadsBack) {
  for (const std::string text : {"7", "42-51", "1,5,9", "9,1,4-5", "3,2,1"}) {
    EXPECT_EQ(seeds_text(parse_seeds(text).value()), text);
  }
}

TEST(Names, ChecksAgainstWhatExists) {
  const std::vector<std::string> known = {"fgd", "plimsoll", "random"};
  EXPECT_EQ(parse_names("random,fgd", "policy", known).value(),
            (std::vector<std::string>{"random", "fgd"}));
  EXPECT_EQ(parse_names("plimsol", "policy", known).error().message,
            "found 'plimsol', expected a policy out of fgd, plimsoll, random; did you mean "
            "'plimsoll'?");
  EXPECT_EQ(parse_names("fgd,,random", "policy", known).error().message,
            "found '', expected a policy out of fgd, plimsoll, random");
  EXPECT_EQ(parse_names("fgd,fgd", "policy", known).error().message,
            "found 'fgd' twice, expected each policy once");
}

}  // namespace
}  // namespace plimsoll::cli
