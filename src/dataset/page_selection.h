#ifndef UFFIZI_DATASET_PAGE_SELECTION_H_
#define UFFIZI_DATASET_PAGE_SELECTION_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace uffizi::dataset {

// Which pages of a TIFF or PDF and which frames of an animation or video are pictures of a job.
struct PageSelection {
  // First and last page, from 1; the last may be the largest possible number. If empty and without
  // `every`, the first page of each file.
  std::vector<std::pair<size_t, size_t>> ranges;
  double every = 0;  // seconds between frames, for files with times

  bool first_only() const { return ranges.empty() && every <= 0; }
  bool Contains(size_t page) const;
};

// Parses "all", "3", "1-3,7" or "5-"; "" is no range. Throws Error(kInvalidArgument).
PageSelection ParsePages(const std::string& text);

// Parses "2s", "500ms", "1.5" (seconds) or "1m". Throws Error(kInvalidArgument).
double ParseSeconds(const std::string& text);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_PAGE_SELECTION_H_
