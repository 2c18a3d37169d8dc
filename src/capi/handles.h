#ifndef UFFIZI_CAPI_HANDLES_H_
#define UFFIZI_CAPI_HANDLES_H_

#include <memory>
#include <string>
#include <vector>

#include "uffizi/engine.h"
#include "uffizi/image.h"
#include "uffizi/uffizi.h"

// The definitions of the opaque types in uffizi.h.

struct uffizi_image {
  uffizi::Image image;
};

struct uffizi_bytes {
  std::string bytes;
};

struct uffizi_engine {
  std::shared_ptr<const uffizi::Engine> engine;
  std::string info;  // JSON
};

struct uffizi_session {
  uffizi::Session session;
};

struct uffizi_encoded {
  // The engine for which the picture was encoded, so that questions to another one are refused.
  std::shared_ptr<const uffizi::Engine> engine;
  uffizi::EncodedImage picture;
};

struct uffizi_result {
  uffizi_status status = UFFIZI_OK;
  std::string error;
  uffizi::Result result;
  std::string json;
};

struct uffizi_results {
  std::vector<uffizi_result> results;
};

#endif  // UFFIZI_CAPI_HANDLES_H_
