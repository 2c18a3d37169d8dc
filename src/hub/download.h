#ifndef UFFIZI_HUB_DOWNLOAD_H_
#define UFFIZI_HUB_DOWNLOAD_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace uffizi {

// A file to download over HTTP, with its source's information about it.
struct Download {
  std::string url;
  std::string token;  // sent only to the first host, never to redirect targets; "" for none
  std::optional<uint64_t> size;  // bytes
  // "sha256:HEX", "sha1-git:HEX" (of a git blob), "md5:HEX", or "" if the source gives none
  std::string checksum;
  uint64_t most = uint64_t{1} << 36;  // maximum bytes if the size is unknown
};

// Called now and then with the number of bytes received. Returning false stops the download.
using BytesCallback = std::function<bool(uint64_t done)>;

// Downloads a file to `place`, where it appears complete and verified or not at all. An interrupted
// attempt leaves PLACE.part, from which the next one resumes. Broken connections and busy servers
// are retried. Proxies come from the usual environment variables. Throws
// Error: kNotFound (also if the source asks for a token), kIo, kCancelled.
void DownloadFile(const Download& download, const std::filesystem::path& place,
                  const BytesCallback& progress);

}  // namespace uffizi

#endif  // UFFIZI_HUB_DOWNLOAD_H_
