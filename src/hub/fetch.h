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

// What a picture's address may cost, and where it may lead.
struct FetchOptions {
  size_t max_bytes = size_t{512} << 20;
  double max_seconds = 30;  // of one attempt, redirects included
  int attempts = 1;         // where the server is busy or a connection breaks
  // Addresses of this machine and of private networks too. Otherwise they are refused after names
  // have been resolved, at every connection, and no proxy is used, as it would resolve them.
  bool allow_private = false;
  // If not empty, only these hosts; "*.example.com" is every host below example.com. Of redirects
  // too.
  std::vector<std::string> hosts;
  std::function<bool()> cancelled;  // asked several times a second; true stops it
};

// The bytes behind an address. Throws Error: kInvalidArgument for an address that is none or not
// allowed, kNotFound, kIo, kImageTooLarge, kCancelled.
std::string Fetch(const std::string& url, const FetchOptions& options);

// Whether an address is one of the public internet.
bool IsPublicAddress(const sockaddr& address);

}  // namespace uffizi

#endif  // UFFIZI_HUB_FETCH_H_
