#include "dataset/csv.h"

#include <gtest/gtest.h>

#include <sstream>

namespace uffizi::dataset {
namespace {

using Row = std::vector<std::string>;

std::vector<Row> ReadAll(const std::string& text, char separator = ',') {
  std::istringstream in(text);
  std::vector<Row> rows;
  for (Row row; ReadCsvRow(in, separator, row);) rows.push_back(row);
  return rows;
}

TEST(Csv, QuotesSeparatorsAndLineBreaks) {
  EXPECT_EQ(ReadAll("a,b\r\n\"x,y\",\"he said \"\"no\"\"\"\n\"two\nlines\",\n"),
            (std::vector<Row>{{"a", "b"}, {"x,y", "he said \"no\""}, {"two\nlines", ""}}));
  EXPECT_EQ(ReadAll("a;b", ';'), (std::vector<Row>{{"a", "b"}}));
  EXPECT_TRUE(ReadAll("").empty());
  EXPECT_EQ(ReadAll("\"never closed").front(), (Row{"never closed"}));
}

TEST(Csv, WhatIsWrittenReadsBack) {
  const Row fields = {"plain", "", "a,b", "\"", "line\nbreak", "carriage\r\nreturn", " spaces "};
  std::string line;
  for (const std::string& field : fields) {
    if (!line.empty()) line += ',';
    AppendCsvField(field, line);
  }
  EXPECT_EQ(ReadAll(line + "\n"), std::vector<Row>{fields});
}

}  // namespace
}  // namespace uffizi::dataset
