#ifndef UFFIZI_SERVER_THUMBNAIL_H_
#define UFFIZI_SERVER_THUMBNAIL_H_

#include <memory>
#include <string>
#include <utility>

#include "server/annotate_request.h"
#include "server/http.h"
#include "uffizi/types.h"

namespace uffizi::server {

// A picture in a format that every browser can show.
struct Thumbnail {
  std::string jpeg;
  int width = 0, height = 0;  // of the picture itself
  size_t pages = 1;           // of its file
};

// A copy of at most `side` pixels a side, made by one thread.
Image Shrink(const Image& image, int side);

// Reads the form of POST /v1/thumbnail and moves it out of `request`. The returned request has no
// questions, and fills the thumbnail when it is answered. Throws Problem.
std::pair<AnnotateRequest, std::shared_ptr<const Thumbnail>> ReadThumbnailRequest(
    HttpRequest& request, const RequestLimits& limits);

// The response with the JPEG; the headers describe the original picture.
HttpResponse ThumbnailResponse(const Thumbnail& thumbnail);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_THUMBNAIL_H_
