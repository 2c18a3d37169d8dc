#ifndef UFFIZI_DATASET_PAGES_H_
#define UFFIZI_DATASET_PAGES_H_

#include <memory>

#include "dataset/page_selection.h"
#include "dataset/source.h"
#include "uffizi/image.h"

namespace uffizi::dataset {

// The pictures of `source` with each file of several pages replaced by those that are selected:
// "scan.pdf#page=3", or "clip.mp4#t=2.5" if frames have times. If a range begins at a page that the
// file does not have, there is a record with an error.
std::unique_ptr<Source> OpenPages(std::unique_ptr<Source> source, PageSelection pages,
                                  DecodeOptions decode);

// Whether a file is a video, by its extension.
bool IsVideo(const std::filesystem::path& path);

// The frames of a video as PNM pictures, extracted by the command `ffmpeg`. Returns at least one
// picture or an error.
std::unique_ptr<Source> OpenVideo(const PictureRef& video, const PageSelection& pages,
                                  size_t max_pixels);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_PAGES_H_
