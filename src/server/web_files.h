#ifndef UFFIZI_SERVER_WEB_FILES_H_
#define UFFIZI_SERVER_WEB_FILES_H_

#include <span>
#include <string_view>

namespace uffizi::server {

// A file that the build put into the program.
struct WebFile {
  const char* path;  // "/app.js"
  const char* content_type;
  std::string_view bytes;
};

// The page of web/, the samples it offers, and the OpenAPI document; written by the build
// (web_files.cmake).
std::span<const WebFile> WebFiles();

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_WEB_FILES_H_
