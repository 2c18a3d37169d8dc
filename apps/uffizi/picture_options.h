#ifndef UFFIZI_APPS_PICTURE_OPTIONS_H_
#define UFFIZI_APPS_PICTURE_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <string>

#include "dataset/page_selection.h"
#include "uffizi/image.h"

namespace uffizi::cli {

// How picture files are read.
struct PictureOptions {
  bool no_exif = false, drop_alpha = false;
  std::string truncated = "refuse", pages, every, tiles;
  DecodeOptions decode;  // limits
};

void AddPictureOptions(CLI::App& command, PictureOptions& options);

// Throw Error(kInvalidArgument).
DecodeOptions MakeDecodeOptions(const PictureOptions& options);
dataset::PageSelection MakePageSelection(const PictureOptions& options);

// All options as text, to identify a job.
std::string Describe(const PictureOptions& options);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_PICTURE_OPTIONS_H_
