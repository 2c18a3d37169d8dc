#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <memory>

#include "image/decoders.h"
#include "image/exif.h"

namespace uffizi {
namespace {

struct DeleteDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};
struct DeleteAnimDecoder {
  void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
};
struct DeleteIncrementalDecoder {
  void operator()(WebPIDecoder* decoder) const { WebPIDelete(decoder); }
};

int Orientation(const WebPDemuxer* demuxer) {
  WebPChunkIterator chunk;
  int orientation = 1;
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
    orientation = ExifOrientation({chunk.chunk.bytes, chunk.chunk.size});
  }
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

// Decodes a frame of an animation onto the canvas left by the previous frames.
void DecodeFrame(const EncodedFile& file, const WebPData& data, Raster& raster) {
  WebPAnimDecoderOptions options;
  if (!WebPAnimDecoderOptionsInit(&options)) file.Fail("incompatible WebP library");
  options.color_mode = MODE_RGBA;
  const std::unique_ptr<WebPAnimDecoder, DeleteAnimDecoder> decoder(
      WebPAnimDecoderNew(&data, &options));
  uint8_t* pixels = nullptr;
  int time = 0;
  for (size_t frame = 0; frame <= file.options.page; ++frame) {
    file.CheckCancelled();
    if (decoder == nullptr || !WebPAnimDecoderGetNext(decoder.get(), &pixels, &time)) {
      file.Fail("damaged WebP animation");
    }
  }
  std::copy_n(pixels, raster.pixels.size(), raster.pixels.begin());
}

// Decodes the file in pieces, so that the caller can cancel in between.
void DecodeStill(const EncodedFile& file, Raster& raster) {
  constexpr size_t kPiece = 32 << 10;
  const std::unique_ptr<WebPIDecoder, DeleteIncrementalDecoder> decoder(
      WebPINewRGB(raster.channels == 4 ? MODE_RGBA : MODE_RGB, raster.pixels.data(),
                  raster.pixels.size(), raster.width * raster.channels));
  if (decoder == nullptr) file.Fail("damaged WebP: its data cannot be decoded");
  VP8StatusCode status = VP8_STATUS_SUSPENDED;
  for (size_t end = 0; status == VP8_STATUS_SUSPENDED && end < file.bytes.size();) {
    file.CheckCancelled();
    end = std::min(file.bytes.size(), end + kPiece);
    status = WebPIUpdate(decoder.get(), file.bytes.data(), end);
  }
  if (status != VP8_STATUS_OK) file.Fail("damaged WebP: its data cannot be decoded");
}

}  // namespace

Raster DecodeWebp(const EncodedFile& file) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(file.bytes.data(), file.bytes.size(), &features) != VP8_STATUS_OK) {
    file.Fail("damaged WebP: no valid header");
  }
  file.CheckSize(static_cast<uint64_t>(features.width), static_cast<uint64_t>(features.height));

  const WebPData data = {file.bytes.data(), file.bytes.size()};
  WebPDemuxState state;
  const std::unique_ptr<WebPDemuxer, DeleteDemuxer> demuxer(WebPDemuxPartial(&data, &state));
  if (demuxer == nullptr || state == WEBP_DEMUX_PARSE_ERROR) file.Fail("damaged WebP");
  if (state != WEBP_DEMUX_DONE) {
    file.Fail("truncated WebP: the file ends before the picture does");
  }

  Raster raster;
  raster.Allocate(features.width, features.height,
                  features.has_alpha || features.has_animation ? 4 : 3);
  raster.orientation = Orientation(demuxer.get());
  if (features.has_animation) {
    file.CheckPage(WebPDemuxGetI(demuxer.get(), WEBP_FF_FRAME_COUNT));
    DecodeFrame(file, data, raster);
    return raster;
  }
  file.CheckPage(1);
  DecodeStill(file, raster);
  return raster;
}

PageInfo InspectWebp(const EncodedFile& file) {
  const WebPData data = {file.bytes.data(), file.bytes.size()};
  WebPDemuxState state;
  const std::unique_ptr<WebPDemuxer, DeleteDemuxer> demuxer(WebPDemuxPartial(&data, &state));
  PageInfo pages;
  if (demuxer == nullptr) return pages;
  pages.count = std::max<size_t>(1, WebPDemuxGetI(demuxer.get(), WEBP_FF_FRAME_COUNT));
  if (pages.count == 1) return pages;
  double now = 0;
  WebPIterator frame;
  for (size_t i = 0; i < pages.count; ++i) {
    pages.seconds.push_back(now);
    if (WebPDemuxGetFrame(demuxer.get(), static_cast<int>(i + 1), &frame))
      now += frame.duration / 1000.0;
    WebPDemuxReleaseIterator(&frame);
  }
  return pages;
}

}  // namespace uffizi
