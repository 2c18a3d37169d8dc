#ifndef UFFIZI_DATASET_PAGE_SELECTION_H_
#define UFFIZI_DATASET_PAGE_SELECTION_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace uffizi::dataset {

// Which pages of a TIFF or PDF and which frames of an animation or video are pictures of a job.
struct PageSelection {
  // First and last, from 1; the last may be the largest number there is. Empty and no `every`: the
  // first page of each file.
  std::vector<std::pair<size_t, size_t>> ranges;
  double every = 0;  // seconds from one frame to the next, of what has times

  bool first_only() const { return ranges.empty() && every <= 0; }
  bool Contains(size_t page) const;
};

// Of "all", "3", "1-3,7" or "5-"; "" is no range. Throws Error(kInvalidArgument).
PageSelection ParsePages(const std::string& text);

// Of "2s", "500ms", "1.5" (seconds) or "1m". Throws Error(kInvalidArgument).
double ParseSeconds(const std::string& text);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_PAGE_SELECTION_H_
