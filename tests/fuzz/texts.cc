// Short texts of options and lists: by the first byte, pages, seconds, tiles, names of classes.

#include <algorithm>

#include "core/utf8.h"
#include "dataset/class_files.h"
#include "dataset/page_selection.h"
#include "fuzz/harness.h"
#include "uffizi/engine.h"

using namespace uffizi;

namespace {

// Options are one line.
std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

void CheckPages(const std::string& text) {
  const dataset::PageSelection pages = dataset::ParsePages(text);
  fuzz::Require(pages.ranges.empty() == text.empty(), "no pages");
  for (const auto& [first, last] : pages.ranges) {
    fuzz::Require(first >= 1 && first <= last, "a range that has no page");
    fuzz::Require(pages.Contains(first) && pages.Contains(last), "a page of a range");
  }
}

void CheckTiles(const std::string& text) {
  const TileOptions tiles = TileOptions::Parse(text);
  using Kind = TileOptions::Kind;
  fuzz::Require(tiles.kind != Kind::kGrid || (tiles.columns >= 1 && tiles.rows >= 1), "a grid");
  fuzz::Require(tiles.kind != Kind::kSide || tiles.side >= 1, "a side");
}

// Names that were written are read again, if they are text.
void CheckNames(const std::string& text) {
  const std::vector<std::string> names = dataset::ParseYamlNames(text, "data.yaml");
  if (!IsUtf8(text)) return;
  const std::string again = dataset::WithYamlNames("", names);
  fuzz::Require(dataset::ParseYamlNames(again, "data.yaml") == names, "other names");
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(fuzz::AsText(data, size).substr(1));
  fuzz::Guard([&] {
    switch (data[0]) {
      case 'p':
        return CheckPages(OneLine(text));
      case 's':
        fuzz::Require(dataset::ParseSeconds(OneLine(text)) > 0, "seconds");
        return;
      case 't':
        return CheckTiles(OneLine(text));
      case 'y':
        return CheckNames(text);
      default:
        dataset::ParseClassLines(text, "classes.txt");
    }
  });
  return 0;
}
