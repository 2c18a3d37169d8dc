#ifndef UFFIZI_HUB_DOWNLOAD_H_
#define UFFIZI_HUB_DOWNLOAD_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace uffizi {

// A file to fetch over HTTP, and what its source says about it.
struct Download {
  std::string url;
  std::string token;  // sent to the first host only, never to where that redirects; "" for none
  std::optional<uint64_t> size;  // bytes
  // "sha256:HEX", "sha1-git:HEX" (of a git blob), "md5:HEX", or "" if the source gives none
  std::string checksum;
  uint64_t most = uint64_t{1} << 36;  // bytes, where no size is known
};

// Called now and then with the bytes that are there. Returning false stops the download.
using BytesCallback = std::function<bool(uint64_t done)>;

// Fetches a file to `place`, where it appears whole and checked or not at all. What a broken
// attempt got stays in PLACE.part, and the next goes on from there. Connections that break and
// servers that are busy are tried again. Proxies come from the usual environment variables. Throws
// Error: kNotFound (also if the source asks for a token), kIo, kCancelled.
void DownloadFile(const Download& download, const std::filesystem::path& place,
                  const BytesCallback& progress);

}  // namespace uffizi

#endif  // UFFIZI_HUB_DOWNLOAD_H_
