#ifndef UFFIZI_DATASET_CSV_H_
#define UFFIZI_DATASET_CSV_H_

#include <istream>
#include <string>
#include <string_view>
#include <vector>

namespace uffizi::dataset {

// Reads a row of separated values (RFC 4180): fields may be quoted, and quoted ones may contain
// separators, line breaks and doubled quotes. False at the end.
bool ReadCsvRow(std::istream& in, char separator, std::vector<std::string>& fields);

// Appends a field, quoted if necessary.
void AppendCsvField(std::string_view text, std::string& out);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_CSV_H_
