#ifndef UFFIZI_SERVER_PICTURE_INPUT_H_
#define UFFIZI_SERVER_PICTURE_INPUT_H_

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "hub/fetch.h"
#include "server/http.h"

namespace uffizi::server {

// A picture file's bytes, where they came: in a form's body, decoded from base64, or fetched.
struct ImageFile {
  std::shared_ptr<const std::string> holder;
  std::string_view bytes;  // within the holder
  ByteLease lease;         // of what they take

  void Release() { *this = {}; }
};

// Where pictures may come from beside the request itself.
struct PictureAccess {
  bool urls = false;  // http(s) addresses are fetched, as `fetch` says
  FetchOptions fetch = {};
  bool files = false;  // paths of this machine: where whoever asks owns it
  // What Label Studio calls /data/local-files/?d=PATH lies below this folder; "": nowhere.
  std::filesystem::path label_studio_folder = {};
};

// Reads the pictures of one request, whose memory is counted.
class PictureReader {
 public:
  PictureReader(const PictureAccess& access, HttpRequest& request)
      : access_(access), request_(request) {}

  // A picture given as base64, alone or in a data URI, or by what `access` allows: an address, a
  // path. Throws Problem; `field` names the text there.
  ImageFile Read(std::string_view text, const std::string& field);
  // An http(s) address, and nothing else.
  ImageFile ReadUrl(const std::string& url, const std::string& field);
  // A path that Label Studio serves: /data/local-files/?d=...
  ImageFile ReadLabelStudioFile(std::string_view path, const std::string& field);

 private:
  ImageFile ReadFileAt(const std::filesystem::path& path, const std::string& field);
  ImageFile Hold(std::string bytes);
  ByteLease Reserve(size_t bytes);

  const PictureAccess& access_;
  HttpRequest& request_;
};

// "photo.jpg" of "https://host/folder/photo.jpg?size=2": what records call such a picture.
std::string NameOfUrl(std::string_view url);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_PICTURE_INPUT_H_
