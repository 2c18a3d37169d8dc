#include "hub/download.h"

#include <curl/curl.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <thread>

#include "core/ascii.h"
#include "core/mapped_file.h"
#include "core/owned_files.h"
#include "hub/certificates.h"
#include "hub/checksum.h"
#include "hub/environment.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;

constexpr int kAttempts = 4;               // consecutive attempts that make almost no progress
constexpr uint64_t kProgress = 256 << 10;  // bytes that count as progress
constexpr std::chrono::milliseconds kFirstPause{500};
constexpr long kMaxRedirects = 10;
constexpr long kConnectSeconds = 30;
// A connection counts as broken after this many seconds below the minimum speed.
constexpr long kSilentSeconds = 30;
constexpr long kLeastSpeed = 1024;

fs::path Beside(const fs::path& place, const char* ending) { return place.string() + ending; }

uint64_t SizeOf(const fs::path& file) {
  std::error_code error;
  const auto size = fs::file_size(file, error);
  return error ? 0 : size;
}

long SilentSeconds() {
  const std::string wanted = Environment({"HF_HUB_DOWNLOAD_TIMEOUT"});
  const long seconds = std::strtol(wanted.c_str(), nullptr, 10);
  return seconds > 0 ? seconds : kSilentSeconds;
}

// The outcome of one request.
enum class Outcome { kDone, kAgain, kFromStart };

// One request for a file, or for the rest of it.
class Request {
 public:
  Request(const Download& download, const fs::path& place, const BytesCallback& progress)
      : download_(download),
        part_(Beside(place, ".part")),
        etag_file_(Beside(place, ".part.etag")),
        progress_(progress) {
    std::error_code ignored;
    if (fs::is_regular_file(fs::symlink_status(etag_file_, ignored))) {
      before_ = ReadFile(etag_file_, 4096);
    }
    // Without a checksum, only a strong ETag shows that the rest belongs to the same file.
    if (!download.checksum.empty() || before_.starts_with('"')) offset_ = SizeOf(part_);
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    curl_.reset(ready == CURLE_OK ? curl_easy_init() : nullptr);
    if (curl_ == nullptr) throw Error(ErrorCode::kInternal, "libcurl cannot be initialized");
    SetUp();
  }

  // Throws errors that a retry cannot fix. For others, sets `reason`.
  Outcome Run(std::string& reason) {
    const CURLcode code = curl_easy_perform(curl_.get());
    const bool written = file_ == nullptr || std::fclose(file_.release()) == 0;
    if (failure_) std::rethrow_exception(failure_);
    if (code == CURLE_ABORTED_BY_CALLBACK) throw Error(ErrorCode::kCancelled, "download stopped");
    if (from_start_) {
      reason = "the server sent more data than announced, or not the requested part";
      return Outcome::kFromStart;
    }
    if (write_failed_ || !written) {
      throw Error(ErrorCode::kIo, part_.string() + ": cannot be written: " + std::strerror(errno));
    }
    if (code != CURLE_OK) {
      reason = message_[0] != '\0' ? message_ : curl_easy_strerror(code);
      if (!WorthAnotherTry(code)) throw Error(ErrorCode::kIo, download_.url + ": " + reason);
      return Outcome::kAgain;
    }
    return Judge(reason);
  }

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  struct FreeCurl {
    void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  };

  void SetUp() {
    CURL* curl = curl_.get();
    const bool secure = download_.url.starts_with("https:");
    curl_easy_setopt(curl, CURLOPT_URL, download_.url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kMaxRedirects);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, kLeastSpeed);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SilentSeconds());
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "uffizi");
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message_);
    if (const std::string file = CertificateFile(); !file.empty()) {
      curl_easy_setopt(curl, CURLOPT_CAINFO, file.c_str());
    }
    if (!download_.token.empty()) AddHeader("Authorization: Bearer " + download_.token);
    if (offset_ > 0) {
      // Not CURLOPT_RESUME_FROM, which treats a server without range support as an error.
      curl_easy_setopt(curl, CURLOPT_RANGE, (std::to_string(offset_) + "-").c_str());
      // Requests the rest of the file, or all of it if it has changed since.
      if (before_.starts_with('"')) AddHeader("If-Range: " + before_);
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers_.get());
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &Request::OnHeader);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Request::OnData);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, this);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Request::OnProgress);
  }

  void AddHeader(const std::string& header) {
    curl_slist* longer = curl_slist_append(headers_.get(), header.c_str());
    if (longer == nullptr) throw std::bad_alloc();
    headers_.release();
    headers_.reset(longer);
  }

  long status() const {
    long status = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
    return status;
  }

  static size_t OnHeader(char* data, size_t size, size_t count, void* user) {
    auto& request = *static_cast<Request*>(user);
    const std::string_view line(data, size * count);
    if (line.starts_with("HTTP/")) {  // a new response begins, after a redirect
      request.etag_.clear();
      request.range_.clear();
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return size * count;
    const std::string name = ToLower(line.substr(0, colon));
    const std::string_view value = Trim(line.substr(colon + 1), " \t\r\n");
    if (name == "etag") request.etag_ = value;
    if (name == "content-range") request.range_ = value;
    return size * count;
  }

  static size_t OnData(char* data, size_t size, size_t count, void* user) {
    auto& request = *static_cast<Request*>(user);
    return request.Take(data, size * count) ? size * count : 0;
  }

  static int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& request = *static_cast<Request*>(user);
    try {
      return request.progress_ && !request.progress_(request.offset_ + request.received_) ? 1 : 0;
    } catch (...) {  // must not pass through C
      request.failure_ = std::current_exception();
      return 1;
    }
  }

  bool Take(const char* data, size_t size) {
    const long code = status();
    if (code != 200 && code != 206) return true;  // the body of an error response
    if (file_ == nullptr && !Begin(code)) return false;
    received_ += size;
    if (offset_ + received_ > download_.size.value_or(download_.most)) {
      from_start_ = true;
      return false;
    }
    write_failed_ = std::fwrite(data, 1, size, file_.get()) != size;
    return !write_failed_;
  }

  // Opens the file once the response says which part it contains.
  bool Begin(long code) {
    if (code == 200) offset_ = 0;
    const bool range = range_.starts_with("bytes " + std::to_string(offset_) + "-");
    // A part of a file that has changed, from a server that ignores If-Range.
    const bool changed = !before_.empty() && !etag_.empty() && etag_ != before_;
    if (code == 206 && (!range || changed)) {
      from_start_ = true;
      return false;
    }
    file_.reset(OpenPart(part_, offset_ > 0));
    if (file_ == nullptr) {
      write_failed_ = true;
      return false;
    }
    // Also a weak ETag ("W/..."): an equal one does not guarantee the same bytes, but a different
    // one shows that they have changed.
    if (!etag_.empty()) {
      WritePart(etag_file_, etag_);
    } else {
      RemovePart(etag_file_);
    }
    return true;
  }

  static bool WorthAnotherTry(CURLcode code) {
    switch (code) {
      case CURLE_COULDNT_RESOLVE_HOST:
      case CURLE_COULDNT_RESOLVE_PROXY:
      case CURLE_URL_MALFORMAT:
      case CURLE_UNSUPPORTED_PROTOCOL:
      case CURLE_TOO_MANY_REDIRECTS:
      case CURLE_PEER_FAILED_VERIFICATION:
      case CURLE_SSL_CACERT_BADFILE:
        return false;
      default:
        return true;
    }
  }

  Outcome Judge(std::string& reason) const {
    const long code = status();
    reason = "the server answered " + std::to_string(code);
    if (code == 200 || code == 206) return Outcome::kDone;
    if (code == 416) return Outcome::kFromStart;
    if (code == 401 || code == 403) {
      throw Error(ErrorCode::kNotFound, download_.url + ": " + reason +
                                            ": does not exist, or needs a token with access to it "
                                            "(HF_TOKEN)");
    }
    if (code == 404 || code == 410) {
      throw Error(ErrorCode::kNotFound, download_.url + ": " + reason + ": not there");
    }
    if (code == 408 || code == 429 || code >= 500) return Outcome::kAgain;
    throw Error(ErrorCode::kIo, download_.url + ": " + reason);
  }

  const Download& download_;
  const fs::path part_, etag_file_;
  const BytesCallback& progress_;
  uint64_t offset_ = 0, received_ = 0;
  std::unique_ptr<CURL, FreeCurl> curl_;
  std::unique_ptr<curl_slist, FreeList> headers_;
  std::unique_ptr<std::FILE, CloseFile> file_;
  std::string before_, etag_, range_;  // before_: the ETag of the partial file
  bool from_start_ = false, write_failed_ = false;
  std::exception_ptr failure_;
  char message_[CURL_ERROR_SIZE] = "";
};

// Whether the file matches the source's size and checksum. If not, it is removed and `reason` is
// set.
bool Check(const Download& download, const fs::path& part, std::string& reason) {
  const uint64_t size = SizeOf(part);
  if (download.size && size != *download.size) {
    reason = "has " + std::to_string(size) + " bytes where its source speaks of " +
             std::to_string(*download.size);
  } else if (!download.checksum.empty()) {
    const std::string found = ChecksumLike(download.checksum, part);
    if (found == download.checksum) return true;
    reason = "has the checksum " + found + " where its source gives " + download.checksum;
  } else {
    return true;
  }
  RemovePart(part);
  return false;
}

}  // namespace

void DownloadFile(const Download& download, const fs::path& place, const BytesCallback& progress) {
  const fs::path part = Beside(place, ".part");
  std::string reason;
  bool started_anew = false;
  uint64_t most = SizeOf(part);
  auto pause = kFirstPause;
  for (int attempt = 0; attempt < kAttempts;) {
    Outcome outcome = Outcome::kDone;
    // An empty file has no partial file, since no data arrives.
    if (!download.size || SizeOf(part) != *download.size || *download.size == 0) {
      Request request(download, place, progress);
      outcome = request.Run(reason);
      if (SizeOf(part) >= most + kProgress) {
        most = SizeOf(part);
        attempt = 0;
        pause = kFirstPause;
      }
    }
    if (outcome == Outcome::kDone) {
      if (SizeOf(part) == 0) WritePart(part, "");
      if (Check(download, part, reason)) {
        FinishPart(part, place);
        RemovePart(Beside(place, ".part.etag"));
        return;
      }
      outcome = Outcome::kFromStart;
    }
    if (outcome == Outcome::kFromStart) {
      // The partial file may have belonged to another version: start over, but only once.
      RemovePart(part);
      RemovePart(Beside(place, ".part.etag"));
      if (started_anew) {
        throw Error(ErrorCode::kIo, download.url + ": " + reason);
      }
      started_anew = true;
      continue;
    }
    ++attempt;
    if (attempt < kAttempts) std::this_thread::sleep_for(pause);
    pause *= 2;
  }
  throw Error(ErrorCode::kIo, download.url + ": " + reason);
}

}  // namespace uffizi
