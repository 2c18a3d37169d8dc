#ifndef UFFIZI_SERVER_PICTURE_INPUT_H_
#define UFFIZI_SERVER_PICTURE_INPUT_H_

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "hub/fetch.h"
#include "server/http.h"

namespace uffizi::server {

// A picture file's bytes: in a form's body, decoded from base64, or fetched.
struct ImageFile {
  std::shared_ptr<const std::string> holder;
  std::string_view bytes;  // within the holder
  ByteLease lease;         // for their memory

  void Release() { *this = {}; }
};

// Other sources of pictures than the request itself.
struct PictureAccess {
  bool urls = false;  // http(s) addresses are fetched according to `fetch`
  FetchOptions fetch = {};
  bool files = false;  // local paths, if the client owns this machine
  // The folder for Label Studio's /data/local-files/?d=PATH; "" for none.
  std::filesystem::path label_studio_folder = {};
};

// Reads the pictures of one request and accounts for their memory.
class PictureReader {
 public:
  PictureReader(const PictureAccess& access, HttpRequest& request)
      : access_(access), request_(request) {}

  // Reads a picture given as base64, alone or in a data URI, or as an address or path if `access`
  // allows it. Throws Problem; `field` names the text in it.
  ImageFile Read(std::string_view text, const std::string& field);
  // Reads only http(s) addresses.
  ImageFile ReadUrl(const std::string& url, const std::string& field);
  // Reads a path in Label Studio's form: /data/local-files/?d=...
  ImageFile ReadLabelStudioFile(std::string_view path, const std::string& field);

 private:
  ImageFile ReadFileAt(const std::filesystem::path& path, const std::string& field);
  ImageFile Hold(std::string bytes);
  ByteLease Reserve(size_t bytes);

  const PictureAccess& access_;
  HttpRequest& request_;
};

// The name of a picture in records: "photo.jpg" for "https://host/folder/photo.jpg?size=2".
std::string NameOfUrl(std::string_view url);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_PICTURE_INPUT_H_
