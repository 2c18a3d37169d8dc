#ifndef UFFIZI_SERVER_THUMBNAIL_H_
#define UFFIZI_SERVER_THUMBNAIL_H_

#include <memory>
#include <string>
#include <utility>

#include "server/annotate_request.h"
#include "server/http.h"

namespace uffizi::server {

// A picture as any browser can show it.
struct Thumbnail {
  std::string jpeg;
  int width = 0, height = 0;  // of the picture itself
  size_t pages = 1;           // of its file
};

// Reads the form of POST /v1/thumbnail and takes it out of `request`. The request that it gives
// asks nothing, and fills the thumbnail once it is answered. Throws Problem.
std::pair<AnnotateRequest, std::shared_ptr<const Thumbnail>> ReadThumbnailRequest(
    HttpRequest& request, const RequestLimits& limits);

// The JPEG; what else there is to know of the picture stands in the headers.
HttpResponse ThumbnailResponse(const Thumbnail& thumbnail);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_THUMBNAIL_H_
