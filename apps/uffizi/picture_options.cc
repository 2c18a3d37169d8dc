#include "picture_options.h"

#include <fmt/format.h>

namespace uffizi::cli {

void AddPictureOptions(CLI::App& command, PictureOptions& options) {
  const std::string group = "Pictures";
  command.add_flag("--no-exif", options.no_exif, "Ignore the EXIF orientation")->group(group);
  command
      .add_flag("--drop-alpha", options.drop_alpha,
                "Ignore transparency, as Pillow does, instead of compositing over white")
      ->group(group);
  command
      .add_option("--truncated", options.truncated,
                  "What to do with a truncated JPEG or PNG: refuse it, or fill the missing part")
      ->check(CLI::IsMember({"refuse", "fill"}))
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--pages", options.pages,
                  "Pages of TIFF, PDF and animations to annotate: all, or 1-3,7 (default: the "
                  "first)")
      ->type_name("PAGES")
      ->group(group);
  command
      .add_option("--every", options.every,
                  "Annotate a frame of videos and animations every 2s, 500ms or 1m (videos need "
                  "ffmpeg)")
      ->type_name("TIME")
      ->group(group);
  command
      .add_option("--tiles", options.tiles,
                  "Split large pictures into tiles for detection and OCR: auto, columns x rows "
                  "such as 3x2, or a side in pixels such as 1000")
      ->type_name("TILES")
      ->group(group);
  command.add_option("--dpi", options.decode.pdf_dpi, "Resolution of PDF pages, in dots per inch")
      ->check(CLI::Range(10, 1200))
      ->capture_default_str()
      ->group(group);
  command.add_option("--max-pixels", options.decode.max_pixels, "Refuse pictures with more pixels")
      ->capture_default_str()
      ->group(group);
}

DecodeOptions MakeDecodeOptions(const PictureOptions& options) {
  DecodeOptions decode = options.decode;
  decode.apply_exif_orientation = !options.no_exif;
  decode.alpha = options.drop_alpha ? AlphaMode::kDrop : AlphaMode::kWhite;
  decode.truncated = options.truncated == "fill" ? TruncatedMode::kFill : TruncatedMode::kRefuse;
  return decode;
}

dataset::PageSelection MakePageSelection(const PictureOptions& options) {
  dataset::PageSelection pages = dataset::ParsePages(options.pages);
  if (!options.every.empty()) pages.every = dataset::ParseSeconds(options.every);
  return pages;
}

std::string Describe(const PictureOptions& options) {
  std::string text =
      fmt::format("exif {}, alpha {}, {} pixels at most", !options.no_exif,
                  options.drop_alpha ? "dropped" : "over white", options.decode.max_pixels);
  if (options.truncated == "fill") text += ", cut pictures filled";
  if (!options.pages.empty()) text += ", pages " + options.pages;
  if (!options.every.empty()) text += ", every " + options.every;
  if (!options.tiles.empty()) text += ", tiles " + options.tiles;
  if (options.decode.pdf_dpi != DecodeOptions().pdf_dpi) {
    text += fmt::format(", {} dots an inch", options.decode.pdf_dpi);
  }
  return text;
}

}  // namespace uffizi::cli
