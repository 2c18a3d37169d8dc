#include "hub/fetch.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

#include "hub/certificates.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMaxRedirects = 5;
constexpr std::chrono::milliseconds kFirstPause{500};

struct Network {
  uint32_t address;
  int bits;
};

// Networks outside the public internet: the special-purpose addresses of RFC 6890.
constexpr std::array kSpecialNetworks = {
    Network{0x00000000, 8},   // this network
    Network{0x0A000000, 8},   // private
    Network{0x64400000, 10},  // shared address space of carriers
    Network{0x7F000000, 8},   // this machine
    Network{0xA9FE0000, 16},  // link-local, where clouds serve credentials
    Network{0xAC100000, 12},  // private
    Network{0xC0000000, 24},  // protocol assignments
    Network{0xC0000200, 24},  // documentation
    Network{0xC0586300, 24},  // 6to4 relays
    Network{0xC0A80000, 16},  // private
    Network{0xC6120000, 15},  // benchmarks
    Network{0xC6336400, 24},  // documentation
    Network{0xCB007100, 24},  // documentation
    Network{0xE0000000, 4},   // multicast
    Network{0xF0000000, 4},   // reserved, broadcast
};

bool IsPublic4(uint32_t address) {
  return std::none_of(kSpecialNetworks.begin(), kSpecialNetworks.end(),
                      [=](const Network& network) {
                        return (address ^ network.address) >> (32 - network.bits) == 0;
                      });
}

// Global unicast is 2000::/3, without the ranges for embedded IPv4 addresses and documentation.
bool IsPublic6(const uint8_t* a) {
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (std::memcmp(a, kMapped, sizeof(kMapped)) == 0) {
    return IsPublic4(uint32_t{a[12]} << 24 | uint32_t{a[13]} << 16 | uint32_t{a[14]} << 8 | a[15]);
  }
  if (a[0] >> 5 != 1) return false;
  const bool protocols = a[0] == 0x20 && a[1] == 0x01 && a[2] < 0x02;  // Teredo too
  const bool documents = (a[0] == 0x20 && a[1] == 0x01 && a[2] == 0x0D && a[3] == 0xB8) ||
                         (a[0] == 0x3F && a[1] == 0xFF && a[2] < 0x10);
  const bool six_to_four = a[0] == 0x20 && a[1] == 0x02;
  return !protocols && !documents && !six_to_four;
}

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
struct FreeCurl {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};

std::string PartOf(CURLU* url, CURLUPart which) {
  char* part = nullptr;
  if (curl_url_get(url, which, &part, 0) != CURLUE_OK) return "";
  std::string text(part);
  curl_free(part);
  return text;
}

// The host of an address, in lower case; "" if it is not an http(s) address. Spaces and other bytes
// in `address`, which redirects may contain, are escaped.
std::string HostOf(std::string& address) {
  const std::unique_ptr<CURLU, FreeUrl> url(curl_url());
  constexpr unsigned kEscape = CURLU_URLENCODE | CURLU_ALLOW_SPACE;
  if (url == nullptr ||
      curl_url_set(url.get(), CURLUPART_URL, address.c_str(), kEscape) != CURLUE_OK) {
    return "";
  }
  address = PartOf(url.get(), CURLUPART_URL);
  std::string host = PartOf(url.get(), CURLUPART_HOST);
  for (char& c : host) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return host;
}

bool Allowed(const std::string& host, const std::vector<std::string>& hosts) {
  if (hosts.empty()) return true;
  return std::any_of(hosts.begin(), hosts.end(), [&](const std::string& allowed) {
    if (allowed.starts_with("*.")) return host.ends_with(allowed.substr(1));
    return host == allowed;
  });
}

// One request, without its redirects.
class Request {
 public:
  Request(const std::string& url, const FetchOptions& options, double seconds)
      : url_(url), options_(options) {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    curl_.reset(ready == CURLE_OK ? curl_easy_init() : nullptr);
    if (curl_ == nullptr) throw Error(ErrorCode::kInternal, "libcurl cannot be initialized");
    CURL* curl = curl_.get();
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "uffizi");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, std::max(1L, static_cast<long>(seconds * 1000)));
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(options.max_bytes));
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message_);
    if (!options.allow_private) curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (const std::string file = CertificateFile(); !file.empty()) {
      curl_easy_setopt(curl, CURLOPT_CAINFO, file.c_str());
    }
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, this);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, &Request::OnSocket);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Request::OnData);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, this);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Request::OnProgress);
  }

  // Returns "" with the picture in `body`, or the address to follow.
  std::string Run(std::string& body) {
    const CURLcode code = curl_easy_perform(curl_.get());
    if (refused_) {
      throw Error(ErrorCode::kInvalidArgument,
                  url_ + ": is on this machine or a private network, which is not allowed");
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
      throw Error(ErrorCode::kCancelled, url_ + ": cancelled while it was being fetched");
    }
    if (too_large_ || code == CURLE_FILESIZE_EXCEEDED) {
      throw Error(ErrorCode::kImageTooLarge,
                  url_ + ": over the limit of " + std::to_string(options_.max_bytes) + " bytes");
    }
    if (code != CURLE_OK) {
      throw Error(ErrorCode::kIo,
                  url_ + ": " + (message_[0] != 0 ? message_ : curl_easy_strerror(code)));
    }
    long status = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
    if (status >= 300 && status < 400) {
      const char* next = nullptr;
      curl_easy_getinfo(curl_.get(), CURLINFO_REDIRECT_URL, &next);
      if (next != nullptr) return next;
    }
    if (status != 200) {
      const bool gone = status == 404 || status == 410;
      throw Error(gone ? ErrorCode::kNotFound : ErrorCode::kIo,
                  url_ + ": the server answered " + std::to_string(status));
    }
    body = std::move(body_);
    return "";
  }

 private:
  static curl_socket_t OnSocket(void* user, curlsocktype, curl_sockaddr* address) {
    auto* self = static_cast<Request*>(user);
    if (!self->options_.allow_private && !IsPublicAddress(address->addr)) {
      self->refused_ = true;
      return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }

  static size_t OnData(char* data, size_t size, size_t count, void* user) {
    auto* self = static_cast<Request*>(user);
    const size_t bytes = size * count;
    if (bytes > self->options_.max_bytes - std::min(self->options_.max_bytes, self->body_.size())) {
      self->too_large_ = true;
      return 0;
    }
    try {
      self->body_.append(data, bytes);
    } catch (const std::bad_alloc&) {  // no exception may pass through libcurl
      self->too_large_ = true;
      return 0;
    }
    return bytes;
  }

  static int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto* self = static_cast<Request*>(user);
    return self->options_.cancelled && self->options_.cancelled() ? 1 : 0;
  }

  const std::string& url_;
  const FetchOptions& options_;
  std::unique_ptr<CURL, FreeCurl> curl_;
  std::string body_;
  char message_[CURL_ERROR_SIZE] = {};
  bool refused_ = false, too_large_ = false;
};

std::string FetchOnce(std::string url, const FetchOptions& options) {
  const Clock::time_point start = Clock::now();
  const bool secure = url.starts_with("https:");
  for (int redirects = 0; redirects <= kMaxRedirects; ++redirects) {
    const std::string host = IsHttpUrl(url) ? HostOf(url) : "";
    if (host.empty()) {
      throw Error(ErrorCode::kInvalidArgument, url + ": not an http or https address");
    }
    if (secure && !url.starts_with("https:")) {
      throw Error(ErrorCode::kInvalidArgument,
                  url + ": a redirect from https to http is not followed");
    }
    if (!Allowed(host, options.hosts)) {
      throw Error(ErrorCode::kInvalidArgument,
                  url + ": pictures from " + host + " are not allowed");
    }
    const std::chrono::duration<double> spent = Clock::now() - start;
    std::string body;
    url = Request(url, options, options.max_seconds - spent.count()).Run(body);
    if (url.empty()) return body;
  }
  throw Error(ErrorCode::kIo, url + ": too many redirects");
}

}  // namespace

bool IsHttpUrl(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

bool IsPublicAddress(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &address, sizeof(in));
    return IsPublic4(ntohl(in.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    const auto* in = reinterpret_cast<const sockaddr_in6*>(&address);
    return IsPublic6(in->sin6_addr.s6_addr);
  }
  return false;
}

std::string Fetch(const std::string& url, const FetchOptions& options) {
  for (int attempt = 1;; ++attempt) {
    try {
      return FetchOnce(url, options);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kIo || attempt >= options.attempts) throw;
    }
    std::this_thread::sleep_for(kFirstPause * (1 << (attempt - 1)));
  }
}

}  // namespace uffizi
