#include "server/picture_input.h"

#include <algorithm>

#include "core/base64.h"
#include "core/mapped_file.h"
#include "server/json_fields.h"
#include "server/percent_encoding.h"
#include "server/problem.h"
#include "uffizi/error.h"

namespace uffizi::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxUrl = 4096;  // bytes

Problem InvalidImage(const std::string& detail) { return Problem(422, "invalid_image", detail); }

// Of a URL's part.
std::string Decoded(std::string_view text, const std::string& field) {
  std::optional<std::string> decoded = DecodePercent(text);
  if (!decoded) throw InvalidImage(field + ": an address with a bad %XX");
  return *std::move(decoded);
}

bool IsBelow(const fs::path& path, const fs::path& folder) {
  const auto [end, ignored] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end();
}

}  // namespace

std::string NameOfUrl(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const std::string_view name = url.substr(url.rfind('/') + 1);
  return name.empty() ? "image" : std::string(name);
}

ByteLease PictureReader::Reserve(size_t bytes) {
  ByteLease lease = request_.body_bytes.Split(bytes);
  if (!lease.Grow(bytes)) {
    throw Problem(503, "overloaded", "too much is being sent at once; try again later");
  }
  return lease;
}

ImageFile PictureReader::Hold(std::string bytes) {
  auto holder = std::make_shared<const std::string>(std::move(bytes));
  ByteLease lease = Reserve(holder->capacity());
  const std::string_view view = *holder;
  return {std::move(holder), view, std::move(lease)};
}

ImageFile PictureReader::Read(std::string_view text, const std::string& field) {
  constexpr std::string_view kMark = ";base64,";
  if (IsHttpUrl(text)) return ReadUrl(std::string(text.substr(0, kMaxUrl + 1)), field);
  if (text.starts_with("data:")) {
    const size_t mark = text.substr(0, 200).find(kMark);
    if (mark == std::string_view::npos) RefuseRequest(field + ": a data URI must be in base64");
    text.remove_prefix(mark + kMark.size());
  } else if (access_.files) {
    if (text.starts_with("file://")) return ReadFileAt(Decoded(text.substr(7), field), field);
    std::error_code ignored;
    const bool short_enough = text.size() < kMaxUrl;
    if (short_enough && fs::is_regular_file(text, ignored)) return ReadFileAt(text, field);
    if (short_enough && DecodeBase64(text).value_or("").empty()) {
      throw InvalidImage(field + ": there is no file " + std::string(text));
    }
  }
  std::optional<std::string> bytes = DecodeBase64(text);
  if (!bytes || bytes->empty()) throw InvalidImage(field + " is not a picture in base64");
  return Hold(*std::move(bytes));
}

ImageFile PictureReader::ReadFileAt(const fs::path& path, const std::string& field) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) {
    throw InvalidImage(field + ": there is no file " + path.string());
  }
  try {
    return Hold(ReadFile(path, access_.fetch.max_bytes));
  } catch (const Error& error) {
    throw InvalidImage(field + ": " + error.what());
  }
}

ImageFile PictureReader::ReadUrl(const std::string& url, const std::string& field) {
  if (!IsHttpUrl(url)) throw InvalidImage(field + " is not an http:// or https:// address");
  if (!access_.urls) {
    throw Problem(422, "unsupported",
                  field +
                      ": addresses are not fetched here (--allow-url-hosts); send the picture "
                      "itself, as base64");
  }
  if (url.size() > kMaxUrl) RefuseRequest(field + " is too long for an address");
  // Its maximum size is reserved from the shared memory before it is fetched.
  ByteLease lease = Reserve(access_.fetch.max_bytes);
  FetchOptions options = access_.fetch;
  options.cancelled = [this] { return request_.ClientGone(); };
  try {
    auto holder = std::make_shared<const std::string>(Fetch(url, options));
    lease.Shrink(holder->capacity());
    const std::string_view view = *holder;
    return {std::move(holder), view, std::move(lease)};
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw ClientGone();
    if (error.code() == ErrorCode::kImageTooLarge) throw;
    throw Problem(422, "url_failed", field + ": " + error.what());
  }
}

ImageFile PictureReader::ReadLabelStudioFile(std::string_view path, const std::string& field) {
  constexpr std::string_view kStart = "/data/local-files/?d=";
  if (!path.starts_with(kStart) || access_.label_studio_folder.empty()) {
    throw InvalidImage(field + ": " + std::string(path.substr(0, 200)) +
                       " cannot be read from here; let it be an address that --allow-url-hosts "
                       "allows, or a local file below --label-studio-files");
  }
  std::error_code error;
  const fs::path folder = fs::canonical(access_.label_studio_folder, error);
  const fs::path named = Decoded(path.substr(kStart.size()), field);
  // Links are resolved before checking where the file is.
  const fs::path file = error ? fs::path() : fs::canonical(folder / named.relative_path(), error);
  if (error || !IsBelow(file, folder)) {
    throw InvalidImage(field + ": there is no file " + named.string() +
                       " below the folder that this server was given");
  }
  return ReadFileAt(file, field);
}

}  // namespace uffizi::server
