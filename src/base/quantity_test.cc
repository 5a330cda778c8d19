#include "base/quantity.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "base/random.h"

namespace plimsoll {
namespace {

constexpr auto si = QuantityFormat::decimal_si;
constexpr auto binary = QuantityFormat::binary_si;
constexpr auto exponent = QuantityFormat::decimal_exponent;

Quantity parsed(const std::string& text) {
  const auto quantity = Quantity::parse(text);
  EXPECT_TRUE(quantity) << text << ": " << (quantity ? "" : quantity.error().message);
  return quantity.value_or(Quantity());
}

struct ParseCase {
  const char* text;
  const char* same;  // an exact decimal way to write the value
  QuantityFormat format;
};

// Every case of TestQuantityParse in apimachinery's quantity_test.go that does not overflow.
constexpr ParseCase parse_cases[] = {
    {"0", "0", si},
    {"0n", "0", si},
    {"0u", "0", si},
    {"0m", "0", si},
    {"0Ki", "0", binary},
    {"0k", "0", si},
    {"0Mi", "0", binary},
    {"0M", "0", si},
    {"0Gi", "0", binary},
    {"0G", "0", si},
    {"0Ti", "0", binary},
    {"0T", "0", si},
    {"1", "1", si},
    {"1Ki", "1024", binary},
    {"8Ki", "8192", binary},
    {"7Mi", "7340032", binary},
    {"6Gi", "6442450944", binary},
    {"5Ti", "5497558138880", binary},
    {"4Pi", "4503599627370496", binary},
    {"3Ei", "3458764513820540928", binary},
    {"10Ti", "10995116277760", binary},
    {"100Ti", "109951162777600", binary},
    {"5n", "0.000000005", si},
    {"4u", "0.000004", si},
    {"3m", "0.003", si},
    {"9", "9", si},
    {"8k", "8000", si},
    {"50k", "50000", si},
    {"7M", "7000000", si},
    {"6G", "6000000000", si},
    {"5T", "5000000000000", si},
    {"40T", "40000000000000", si},
    {"300T", "300000000000000", si},
    {"2P", "2000000000000000", si},
    {"1E", "1000000000000000000", si},
    {"1E-3", "0.001", exponent},
    {"1e3", "1000", exponent},
    {"1E6", "1000000", exponent},
    {"1e9", "1000000000", exponent},
    {"1E12", "1000000000000", exponent},
    {"1e15", "1000000000000000", exponent},
    {"1E18", "1000000000000000000", exponent},
    {"1e14", "100000000000000", exponent},
    {"1e13", "10000000000000", exponent},
    {"100.035k", "100035", si},
    {"0.001", "1m", si},
    {"0.0005k", "500m", si},
    {"0.005", "5m", si},
    {"0.05", "50m", si},
    {"0.5", "500m", si},
    {"0.00050k", "500m", si},
    {"0.00500", "5m", si},
    {"0.05000", "50m", si},
    {"0.50000", "500m", si},
    {"0.5e0", "500m", exponent},
    {"0.5e-1", "50m", exponent},
    {"0.5e-2", "5m", exponent},
    {"10.035M", "10035000", si},
    {"1.2e3", "1200", exponent},
    {"1.3E+6", "1300000", exponent},
    {"1.40e9", "1400000000", exponent},
    {"1.53E12", "1530000000000", exponent},
    {"1.6e15", "1600000000000000", exponent},
    {"1.7E18", "1700000000000000000", exponent},
    {"9.01", "9010m", si},
    {"8.1k", "8100", si},
    {"7.123456M", "7123456", si},
    {"6.987654321G", "6987654321", si},
    {"5.444T", "5444000000000", si},
    {"40.1T", "40100000000000", si},
    {"300.2T", "300200000000000", si},
    {"2.5P", "2500000000000000", si},
    {"1.01E", "1010000000000000000", si},
    {"3.001n", "4n", si},
    {"1.1E-9", "2n", exponent},
    {"0.0000000001", "1n", si},
    {"0.0000000005", "1n", si},
    {"0.00000000050", "1n", si},
    {"0.5e-9", "1n", exponent},
    {"0.9n", "1n", si},
    {"0.00000012345", "124n", si},
    {"0.00000012354", "124n", si},
    {"100.035Ki", "102435.84", binary},
    {"0.5Mi", "524288", binary},
    {"0.05Gi", "53687091.2", binary},
    {"0.025Ti", "27487790694.4", binary},
    {"0.000000000001Ki", "2n", si},
    {".001", "1m", si},
    {".0001k", "100m", si},
    {"1.", "1", si},
    {"1.G", "1000000000", si},
    {"9223372036854775807", "9223372036854775807", si},
};

TEST(Quantity, ParsesAsKubernetesDoesWithEverySign) {
  for (const ParseCase& c : parse_cases) {
    for (const std::string sign : {"", "+", "-"}) {
      const Quantity quantity = parsed(sign + c.text);
      EXPECT_EQ(quantity, parsed(sign + c.same)) << sign << c.text;
      EXPECT_EQ(quantity.format(), c.format) << sign << c.text;
      EXPECT_EQ(quantity, parsed(quantity.to_string())) << sign << c.text;
      EXPECT_EQ(quantity, parsed(quantity.canonical())) << sign << c.text;
    }
  }
}

TEST(Quantity, RefusesWithOneClearLine) {
  const std::string form =
      "expected a number and one of the suffixes n u m k M G T P E Ki Mi Gi Ti Pi Ei e<exponent>";
  const std::string range = "expected a magnitude of at most 9223372036854775807";
  const std::string digit = "found no digit, expected a number before the suffix";
  const struct {
    std::string text;
    std::string message;
  } cases[] = {
      {"", "quantity: found nothing, " + form},
      {"1.1.M", "quantity \"1.1.M\": " + form},
      {"1+1.0M", "quantity \"1+1.0M\": " + form},
      {"0.1mi", "quantity \"0.1mi\": " + form},
      {"0.1am", "quantity \"0.1am\": " + form},
      {"aoeu", "quantity \"aoeu\": " + form},
      {".5i", "quantity \".5i\": " + form},
      {"1i", "quantity \"1i\": " + form},
      {"-3.01i", "quantity \"-3.01i\": " + form},
      {"-3.01e-", "quantity \"-3.01e-\": " + form},
      {" 1", "quantity \" 1\": " + form},
      {"1 ", "quantity \"1 \": " + form},
      {"Non-Numeric", "quantity \"Non-Numeric\": " + form},
      {"1e", "quantity \"1e\": " + form},
      {"1K", "quantity \"1K\": " + form},
      {"1ki", "quantity \"1ki\": " + form},
      {"1Ki5", "quantity \"1Ki5\": " + form},
      {"1e1.5", "quantity \"1e1.5\": " + form},
      {"1e+-5", "quantity \"1e+-5\": " + form},
      {"--1", "quantity \"--1\": " + form},
      {"0x10", "quantity \"0x10\": " + form},
      {"1,000", "quantity \"1,000\": " + form},
      {"1_000", "quantity \"1_000\": " + form},
      {"NaN", "quantity \"NaN\": " + form},
      {std::string("1\0", 2), std::string("quantity \"1\0\": ", 15) + form},
      {"Pi", "quantity \"Pi\": " + digit},
      {".Ei", "quantity \".Ei\": " + digit},
      {"e-10", "quantity \"e-10\": " + digit},
      {"9Ei", "quantity \"9Ei\": " + range},
      {"-9Ei", "quantity \"-9Ei\": " + range},
      {"8Ei", "quantity \"8Ei\": " + range},
      {"9223372036854775807Ki", "quantity \"9223372036854775807Ki\": " + range},
      {"12E", "quantity \"12E\": " + range},
      {"9223372036854775808", "quantity \"9223372036854775808\": " + range},
      {"-9223372036854775808", "quantity \"-9223372036854775808\": " + range},
      {"9223372036854775807.0000000001", "quantity \"9223372036854775807.0000000001\": " + range},
      {"1e19", "quantity \"1e19\": " + range},
      {"1e4294967296", "quantity \"1e4294967296\": " + range},
      {"1e99999999999999999999", "quantity \"1e99999999999999999999\": " + range},
      {std::string(1001, '0'), "quantity: found 1001 characters, expected 1000 at most"},
  };
  for (const auto& c : cases) {
    const auto quantity = Quantity::parse(c.text);
    ASSERT_FALSE(quantity) << c.text;
    EXPECT_EQ(quantity.error(), (Error{ErrorCode::bad_input, c.message}));
  }
}

TEST(Quantity, PrintsTheCanonicalForm) {
  // TestQuantityString, its alternates, and TestQuantityParseEmit.
  const struct {
    std::vector<const char*> texts;
    const char* canonical;
  } cases[] = {
      {{"1Gi", "1024Mi"}, "1Gi"},
      {{"300Mi", "307200Ki"}, "300Mi"},
      {{"6Ki"}, "6Ki"},
      {{"1001Gi", "1025024Mi"}, "1001Gi"},
      {{"1Ti", "1024Gi"}, "1Ti"},
      {{"5", "5000m"}, "5"},
      {{"500m", "0.5"}, "500m"},
      {{"1G", "1000M", "0.001T", "1000000k", "1000000000"}, "1G"},
      {{"1m", "1000u"}, "1m"},
      {{"80m"}, "80m"},
      {{"1080m", "1.08", "1080000000n"}, "1080m"},
      {{"300M"}, "300M"},
      {{"1T"}, "1T"},
      {{"1234567M"}, "1234567M"},
      {{"1234567m"}, "1234567m"},
      {{"3k"}, "3k"},
      {{"1025"}, "1025"},
      {{"0", "00", "0Ki", "0e5", "-0"}, "0"},
      {{"1e9", ".001e12"}, "1e9"},
      {{"1e-3", "0.001e0"}, "1e-3"},
      {{"1e-9", "1000e-12"}, "1e-9"},
      {{"80e-3"}, "80e-3"},
      {{"300e6"}, "300e6"},
      {{"1e12"}, "1e12"},
      {{"1e3"}, "1e3"},
      {{"3e3"}, "3e3"},
      {{"12e6"}, "12e6"},
      {{"1n"}, "1n"},
      {{"80n"}, "80n"},
      {{"1080n"}, "1080n"},
      {{"1u"}, "1u"},
      {{"80u"}, "80u"},
      {{"1080u"}, "1080u"},
      {{"1Ki"}, "1Ki"},
      {{"1Mi"}, "1Mi"},
      {{".001Ki"}, "1024m"},
      {{".000001Ki"}, "1024u"},
      {{".000000001Ki"}, "1024n"},
      {{".000000000001Ki"}, "2n"},
      {{"1.5Gi"}, "1536Mi"},
      {{"0.5Ki"}, "512"},
      {{"1023.5Ki"}, "1048064"},
      {{"100m"}, "100m"},
      {{"9223372036854775807"}, "9223372036854775807"},
      {{"7Ei"}, "7Ei"},
      {{"9e18"}, "9e18"},
      {{"9E"}, "9E"},
  };
  for (const auto& c : cases) {
    for (const std::string text : c.texts) {
      EXPECT_EQ(parsed(text).to_string(), c.canonical) << text;
      EXPECT_EQ(parsed(text).canonical(), c.canonical) << text;
      if (!parsed(text).is_zero()) {
        const std::string negative = text.starts_with('-') ? text.substr(1) : "-" + text;
        EXPECT_EQ(parsed(negative).to_string(), "-" + std::string(c.canonical)) << text;
        EXPECT_EQ((-parsed(text)).to_string(), "-" + std::string(c.canonical)) << text;
      }
    }
  }
}

TEST(Quantity, KeepsTheSpellingWhereKubernetesDoes) {
  const struct {
    const char* text;
    const char* printed;
    const char* canonical;
  } cases[] = {
      {"1.500", "1.500", "1500m"},
      {"1E3", "1E3", "1e3"},
      {"1E-3", "1E-3", "1e-3"},
      {"+1Ki", "+1Ki", "1Ki"},
      {"001Ki", "001Ki", "1Ki"},
      {"10.035M", "10.035M", "10035k"},
      {"6.987654321G", "6.987654321G", "6987654321"},
      {"1.5", "1500m", "1500m"},
      {"0.500", "500m", "500m"},
      {"1.000", "1", "1"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(parsed(c.text).to_string(), c.printed);
    EXPECT_EQ(parsed(c.text).canonical(), c.canonical);
    EXPECT_EQ((-parsed(c.text)).to_string(), "-" + std::string(c.canonical));
  }
}

TEST(Quantity, ANumberWithoutDigitsIsZeroAsInKubernetes) {
  for (const char* text : {".", "-", "+", "-.", "k", "Ki", "Ti", ".Mi", "e3", "+m"}) {
    EXPECT_TRUE(parsed(text).is_zero()) << text;
    EXPECT_EQ(parsed(text).to_string(), "0") << text;
  }
}

TEST(Quantity, MadeOfIntegers) {  // TestNewSet, TestMilliNewSet
  EXPECT_EQ(Quantity::from_value(1).to_string(), "1");
  EXPECT_EQ(Quantity::from_value(1000).to_string(), "1k");
  EXPECT_EQ(Quantity::from_value(1'234'000).to_string(), "1234k");
  EXPECT_EQ(Quantity::from_value(1024, binary).to_string(), "1Ki");
  EXPECT_EQ(Quantity::from_value(1'000'000, exponent).to_string(), "1e6");
  EXPECT_EQ(Quantity::from_value(1 << 20, binary).to_string(), "1Mi");
  EXPECT_EQ(Quantity::from_value(-(1 << 20), binary).to_string(), "-1Mi");
  EXPECT_EQ(Quantity::from_value(INT64_MIN).to_string(), "-9223372036854775807");
  EXPECT_EQ(Quantity::from_milli(1).to_string(), "1m");
  EXPECT_EQ(Quantity::from_milli(1000).to_string(), "1");
  EXPECT_EQ(Quantity::from_milli(1'234'000).to_string(), "1234");
  EXPECT_EQ(Quantity::from_milli(1024, binary).to_string(), "1024m");
  EXPECT_EQ(Quantity::from_milli(1'000'000, exponent).to_string(), "1e3");
  EXPECT_EQ(Quantity::from_milli(1 << 20, binary).to_string(), "1048576m");
}

TEST(Quantity, ValuesRoundAwayFromZero) {
  const struct {
    const char* text;
    std::int64_t value;
    std::int64_t milli;
  } cases[] = {
      {"0", 0, 0},
      {"1n", 1, 1},
      {"1u", 1, 1},
      {"1m", 1, 1},
      {"1", 1, 1000},
      {"9.01", 10, 9010},
      {"-9.01", -10, -9010},
      {"1.0001", 2, 1001},
      {"-1.0001", -2, -1001},
      {"100m", 1, 100},
      {"1.5Gi", 1'610'612'736, 1'610'612'736'000},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(parsed(c.text).value(), c.value) << c.text;
    EXPECT_EQ(parsed(c.text).milli_value(), Result<std::int64_t>(c.milli)) << c.text;
  }
  EXPECT_EQ(parsed("9223372036854775806.5").value(), INT64_MAX);
  EXPECT_EQ(parsed("1E").milli_value().error().message,
            "quantity \"1E\": expected a magnitude of at most 9223372036854775807 thousandths");
  EXPECT_EQ(parsed("9223372036854775807m").milli_value(), Result<std::int64_t>(INT64_MAX));
}

TEST(Quantity, ComparesByValue) {  // TestQuantityCmp
  EXPECT_EQ(parsed("0"), Quantity());
  EXPECT_GT(parsed("100m"), parsed("50m"));
  EXPECT_LT(parsed("50m"), parsed("100m"));
  EXPECT_GT(parsed("10000T"), parsed("100Gi"));
  EXPECT_EQ(parsed("1024"), parsed("1Ki"));
  EXPECT_EQ(parsed("1e3"), parsed("1k"));
}

TEST(Quantity, WhatIsPrintedParsesToTheSame) {
  Random random(11);
  for (int i = 0; i < 20'000; ++i) {
    const std::array formats{si, binary, exponent};
    const auto format = formats[random.below(3)];
    const auto magnitude = static_cast<std::int64_t>(random.next() >> (1 + random.below(63)));
    const auto value = random.below(2) == 0 ? magnitude : -magnitude;
    const Quantity quantity = random.below(2) == 0 ? Quantity::from_value(value, format)
                                                   : Quantity::from_milli(value, format);
    const Quantity again = parsed(quantity.to_string());
    ASSERT_EQ(again, quantity) << quantity.to_string();
    if (again.format() == format) {  // a binary one without suffix comes back as a decimal one
      ASSERT_EQ(again.canonical(), quantity.to_string());
    }
  }
}

}  // namespace
}  // namespace plimsoll
