#include "hub/checksum.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "core/mapped_file.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

constexpr size_t kPiece = size_t{16} << 20;  // bytes; their pages are released after use

const EVP_MD* DigestOf(const std::string& kind) {
  if (kind == "sha256") return EVP_sha256();
  if (kind == "sha1-git") return EVP_sha1();
  if (kind == "md5") return EVP_md5();
  throw Error(ErrorCode::kUnsupported, "unsupported kind of checksum: " + kind);
}

}  // namespace

std::string ChecksumLike(const std::string& expected, const std::filesystem::path& file) {
  const std::string kind = expected.substr(0, expected.find(':'));
  const MappedFile mapped(file);
  const auto bytes = mapped.bytes();
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  bool good = context != nullptr && EVP_DigestInit_ex(context.get(), DigestOf(kind), nullptr) == 1;
  if (kind == "sha1-git") {
    const std::string header = "blob " + std::to_string(bytes.size());
    good = good && EVP_DigestUpdate(context.get(), header.c_str(), header.size() + 1) == 1;
  }
  for (size_t at = 0; at < bytes.size() && good; at += kPiece) {
    const size_t size = std::min(kPiece, bytes.size() - at);
    good = EVP_DigestUpdate(context.get(), bytes.data() + at, size) == 1;
    ReleasePages(bytes.data() + at, size);
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (!good || EVP_DigestFinal_ex(context.get(), digest, &length) != 1) {
    throw Error(ErrorCode::kInternal, file.string() + ": its checksum cannot be computed");
  }
  std::string text = kind + ":";
  for (unsigned int i = 0; i < length; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 15];
  }
  return text;
}

}  // namespace uffizi
