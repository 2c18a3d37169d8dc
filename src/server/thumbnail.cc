#include "server/thumbnail.h"

#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "image/preprocess.h"
#include "server/multipart.h"
#include "server/problem.h"

namespace uffizi::server {
namespace {

constexpr int kLeastSide = 16, kUsualSide = 1024, kMostSide = 4096;
constexpr size_t kFields = 3;

int ReadSide(std::string_view text) {
  int side = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), side);
  if (error != std::errc() || end != text.data() + text.size() || side < kLeastSide ||
      side > kMostSide) {
    RefuseRequest("size must be a number of pixels from " + std::to_string(kLeastSide) + " to " +
                  std::to_string(kMostSide));
  }
  return side;
}

void Fill(const Image& image, int side, Thumbnail& thumbnail) {
  thumbnail.width = image.width;
  thumbnail.height = image.height;
  const bool small = std::max(image.width, image.height) <= side;
  thumbnail.jpeg = EncodeJpeg(small ? image.view() : Shrink(image, side).view());
}

}  // namespace

Image Shrink(const Image& image, int side) {
  const double scale = static_cast<double>(side) / std::max(image.width, image.height);
  const auto scaled = [&](int pixels) {
    return std::max(1, static_cast<int>(std::lround(pixels * scale)));
  };
  Image small;
  // One thread only: the others belong to the workers.
  oneapi::tbb::task_arena(1).execute([&] {
    small =
        Resize(image.view(), scaled(image.width), scaled(image.height), ResampleFilter::kBilinear);
  });
  return small;
}

std::pair<AnnotateRequest, std::shared_ptr<const Thumbnail>> ReadThumbnailRequest(
    HttpRequest& request, const RequestLimits& limits) {
  if (request.MediaType() != "multipart/form-data") {
    throw Problem(415, "unsupported_media_type", "the body must be multipart/form-data");
  }
  const auto body = std::make_shared<const std::string>(std::move(request.body));
  const auto form = ParseMultipart(request.Header("Content-Type").value_or(""), *body, kFields);
  if (!form) RefuseRequest("the body is not a whole multipart/form-data of at most 3 fields");
  AnnotateRequest asked;
  int side = kUsualSide;
  for (const FormField& field : *form) {
    if (field.name == "image" && asked.image.holder == nullptr) {
      asked.image = {body, field.data, std::move(request.body_bytes)};
      asked.image_name = field.filename.empty() ? "image" : field.filename;
    } else if (field.name == "size") {
      side = ReadSide(field.data);
    } else if (field.name == "options") {
      const nlohmann::json options = ParseClientJson(field.data);
      JsonFields fields(options, "options");
      asked.decode = ReadDecodeOptions(fields);
      fields.ExpectNoMore();
    } else {
      RefuseRequest("a thumbnail takes one image, size and options, not " +
                    field.name.substr(0, 80));
    }
  }
  if (asked.image.holder == nullptr) RefuseRequest("image is missing: the picture as a file field");
  CheckImageName(limits, asked.image_name);
  asked.decode.max_pixels = limits.max_pixels;
  auto thumbnail = std::make_shared<Thumbnail>();
  asked.look = [thumbnail, side, file = asked.image.bytes, name = asked.image_name,
                decode = asked.decode](const Image& image, const std::function<bool()>& must_end) {
    DecodeOptions options = decode;
    options.cancelled = must_end;
    const auto* bytes = reinterpret_cast<const uint8_t*>(file.data());
    thumbnail->pages = InspectPages({bytes, file.size()}, name, options).count;
    Fill(image, side, *thumbnail);
  };
  return {std::move(asked), std::move(thumbnail)};
}

HttpResponse ThumbnailResponse(const Thumbnail& thumbnail) {
  return {.content_type = "image/jpeg",
          .body = thumbnail.jpeg,
          .headers = {{"Cache-Control", "no-store"},
                      {"Uffizi-Width", std::to_string(thumbnail.width)},
                      {"Uffizi-Height", std::to_string(thumbnail.height)},
                      {"Uffizi-Pages", std::to_string(thumbnail.pages)}}};
}

}  // namespace uffizi::server
