#ifndef UFFIZI_HUB_FETCH_H_
#define UFFIZI_HUB_FETCH_H_

#include <sys/socket.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace uffizi {

// Whether a picture's name is an address: http:// or https://.
bool IsHttpUrl(std::string_view text);

// FetchOptions::attempts of jobs, for which nobody waits.
inline constexpr int kPatientAttempts = 3;

// Limits for fetching a picture, and which hosts are allowed.
struct FetchOptions {
  size_t max_bytes = size_t{512} << 20;
  double max_seconds = 30;  // of one attempt, redirects included
  int attempts = 1;         // if the server is busy or a connection breaks
  // Allows addresses of this machine and of private networks. Otherwise they are refused at every
  // connection, after name resolution, and no proxy is used, since it would resolve names itself.
  bool allow_private = false;
  // If not empty, only these hosts are allowed, also for redirects; "*.example.com" is every host
  // below example.com.
  std::vector<std::string> hosts;
  std::function<bool()> cancelled;  // asked several times a second; true stops it
};

// The bytes behind an address. Throws Error: kInvalidArgument for an address that is invalid or not
// allowed, kNotFound, kIo, kImageTooLarge, kCancelled.
std::string Fetch(const std::string& url, const FetchOptions& options);

// Whether an address is on the public internet.
bool IsPublicAddress(const sockaddr& address);

}  // namespace uffizi

#endif  // UFFIZI_HUB_FETCH_H_
