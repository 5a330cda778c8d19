#include "traces/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace plimsoll::traces {
namespace {

using testing::ElementsAre;

constexpr std::array<CsvColumn, 3> columns = {{{"name"}, {"n"}, {"note", false}}};

// What a file of `columns` comes to: "name/n/note" a row, or the error.
std::vector<std::string> read(std::string_view text) {
  std::vector<std::string> rows;
  auto reader = CsvReader::make(text, "f.csv", columns);
  if (!reader) {
    return {reader.error().message};
  }
  while (true) {
    const auto more = reader->next();
    if (!more) {
      rows.push_back(more.error().message);
      return rows;
    }
    if (!*more) {
      return rows;
    }
    const auto name = reader->name(0);
    const auto n = reader->integer(1, -5, 100);
    if (!name || !n) {
      rows.push_back(!name ? name.error().message : n.error().message);
      return rows;
    }
    rows.push_back(std::string(*name) + "/" + std::to_string(*n) + "/" +
                   std::string(reader->text(2)));
  }
}

TEST(Csv, ReadsWhatItShould) {
  EXPECT_THAT(read("name,n,note\na,1,x\nb,-5,\n"), ElementsAre("a/1/x", "b/-5/"));
  EXPECT_THAT(read("name,n,note\r\na,1,x\r\n"), ElementsAre("a/1/x"));
  EXPECT_THAT(read("name,n\na,1"), ElementsAre("a/1/"));
  EXPECT_THAT(read("n,other,name\n1,zz,a\n"), ElementsAre("a/1/"));
  EXPECT_THAT(read("\xef\xbb\xbfname,n\na,1\n"), ElementsAre("a/1/"));
  EXPECT_THAT(read("name,n\na,1\n\n\r\n"), ElementsAre("a/1/"));
  EXPECT_THAT(read("name,n\n"), ElementsAre());
  EXPECT_THAT(read("name,n,note\n\"a,b\",1,\"say \"\"hi\"\"\"\nc,2,\"\"\n"),
              ElementsAre("a,b/1/say \"hi\"", "c/2/"));
  EXPECT_THAT(read("name,n\ngrün,1\n"), ElementsAre("grün/1/"));
}

TEST(Csv, RefusesTheRestWithOneLine) {
  const std::string huge(std::size_t{10} << 20, 'x');
  const std::vector<std::pair<std::string, std::string>> table = {
      {"", "f.csv:1: header: found an empty file, expected the columns name,n"},
      {"name\n", "f.csv:1: header: found 'name', expected a column 'n'"},
      {"n,name,n\n", "f.csv:1: header: found the column 'n' twice, expected each column once"},
      {"name,n\na\n", "f.csv:2: row: found 1 field, expected 2"},
      {"name,n\na,1,2\n", "f.csv:2: row: found 3 fields, expected 2"},
      {"name,n\n\na,1\n", "f.csv:2: row: found an empty line, expected 2 fields"},
      {"name,n\n,1\n", "f.csv:2: name: found '', expected a name"},
      {"name,n\na,\n", "f.csv:2: n: found '', expected an integer from -5 to 100"},
      {"name,n\na,1x\n", "f.csv:2: n: found '1x', expected an integer from -5 to 100"},
      {"name,n\na,1.0\n", "f.csv:2: n: found '1.0', expected an integer from -5 to 100"},
      {"name,n\na, 1\n", "f.csv:2: n: found ' 1', expected an integer from -5 to 100"},
      {"name,n\na,+1\n", "f.csv:2: n: found '+1', expected an integer from -5 to 100"},
      {"name,n\na,NaN\n", "f.csv:2: n: found 'NaN', expected an integer from -5 to 100"},
      {"name,n\na,-6\n", "f.csv:2: n: found '-6', expected an integer from -5 to 100"},
      {"name,n\na,99999999999999999999999\n",
       "f.csv:2: n: found '99999999999999999999999', expected an integer from -5 to 100"},
      {"name,n\na,1\nb,\x01\n", "f.csv:3: row: found the byte 0x01 in column 3, expected text"},
      {std::string("name,n\na\0,1\n", 12),
       "f.csv:2: row: found the byte 0x00 in column 2, expected text"},
      {"name,n\na\xff,1\n", "f.csv:2: row: found the byte 0xff in column 2, expected UTF-8 text"},
      {"name,n\n\xed\xa0\x80,1\n",
       "f.csv:2: row: found the byte 0xed in column 1, expected UTF-8 text"},
      {"name,n\n\xe2\x82,1\n",
       "f.csv:2: row: found the byte 0xe2 in column 1, expected UTF-8 text"},
      {"name,n\n\"a,1\n",
       "f.csv:2: row: found a quote that is never closed, expected a closing quote on the same "
       "line"},
      {"name,n\n\"a\"b,1\n",
       "f.csv:2: row: found 'b' after a closing quote, expected ',' or the end of the line"},
      {"name,n\na\"b,1\n",
       "f.csv:2: row: found a quote inside 'a\"b', expected a field with quotes to be quoted "
       "whole"},
      {"name,n\n" + huge + ",1\n",
       "f.csv:2: line: found more than 1048576 bytes, expected a line end before that"},
      {huge, "f.csv:1: line: found more than 1048576 bytes, expected a line end before that"},
      {"name,n\n" + std::string(254, 'y') + ",1\n", "f.csv:2: name: found '" +
                                                        std::string(40, 'y') +
                                                        "…', expected a name of at most 253 bytes"},
  };
  for (const auto& [text, message] : table) {
    ASSERT_FALSE(read(text).empty()) << message;
    EXPECT_EQ(read(text).back(), message);
  }
}

TEST(Csv, NumbersAreFinite) {
  constexpr std::array<CsvColumn, 1> one = {{{"x"}}};
  const auto number = [&](std::string_view field) -> Result<double> {
    const std::string text = "x\n" + std::string(field) + "\n";
    CsvReader reader = TRY(CsvReader::make(text, "f", one));
    check(TRY(reader.next()), "a row");
    return reader.number(0, -1, 1e9);
  };
  EXPECT_DOUBLE_EQ(number("0.25").value(), 0.25);
  EXPECT_DOUBLE_EQ(number("1e3").value(), 1000);
  for (const char* bad :
       {"nan", "inf", "-inf", "1e999", "-1.5", "0x10", "1,5", "1e", "--1", "2e9"}) {
    EXPECT_FALSE(number(bad).has_value()) << bad;
  }
  EXPECT_EQ(number("nan").error().message,
            "f:2: x: found 'nan', expected a number from -1 to 1000000000");
}

TEST(Csv, HeaderlessSplitsAtItsSeparator) {
  auto reader = CsvReader::headerless("a\"\t1\t\n", "f.tsv", columns, '\t');
  ASSERT_TRUE(reader.next().value());
  EXPECT_EQ(reader.text(0), "a\"");
  EXPECT_EQ(reader.integer(1, 0, 9).value(), 1);
  EXPECT_FALSE(reader.next().value());
}

TEST(Csv, ALineOfTheLimitIsRead) {
  const std::string field(csv_line_bytes_max - 2, 'x');
  const std::string text = "name,n\n" + field + ",1\n";
  auto reader = CsvReader::make(text, "f", columns);
  ASSERT_TRUE(reader->next().value());
  EXPECT_EQ(reader->text(0), field);
}

}  // namespace
}  // namespace plimsoll::traces
