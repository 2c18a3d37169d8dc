#include "hub/manifest.h"

#include <nlohmann/json.hpp>

#include "core/json_reader.h"
#include "core/mapped_file.h"
#include "core/owned_files.h"
#include "hub/checksum.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kMaxManifest = 1 << 20;

fs::path ManifestOf(const fs::path& folder) { return folder.string() + ".files.json"; }

// {"NAME": {"size": bytes, "sha256": "HEX"}}; an empty object if it is missing or invalid.
json Read(const fs::path& folder) {
  if (!HasManifest(folder)) return json::object();
  json files = ParseJson(ReadFile(ManifestOf(folder), kMaxManifest));
  if (!files.is_object()) return json::object();
  for (const auto& [name, entry] : files.items()) {
    const bool whole = entry.is_object() && entry.contains("size") &&
                       entry["size"].is_number_unsigned() && entry.contains("sha256") &&
                       entry["sha256"].is_string();
    if (!whole) return json::object();
  }
  return files;
}

}  // namespace

void WriteManifest(const fs::path& folder) {
  json files = json::object();
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string checksum = ChecksumLike("sha256:", entry.path());
    files[entry.path().filename().string()] = {{"size", entry.file_size()},
                                               {"sha256", checksum.substr(checksum.find(':') + 1)}};
  }
  const fs::path place = ManifestOf(folder);
  OutFile::Naming naming;
  naming.over = IdentityOf(place);
  WriteFile(place, files.dump(2) + "\n", naming);
}

bool HasManifest(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(ManifestOf(folder), ignored);
}

void CheckSizes(const fs::path& folder, const std::string& cure) {
  const json known = Read(folder);
  for (const auto& [name, entry] : known.items()) {
    std::error_code error;
    const fs::path file = folder / fs::path(name).filename();
    const uint64_t size = fs::file_size(file, error), expected = entry["size"].get<uint64_t>();
    if (!error && size == expected) continue;
    const std::string state = error ? "is missing" : "has " + std::to_string(size) + " bytes";
    throw Error(ErrorCode::kInvalidModel, file.string() + ": " + state + ", where " +
                                              std::to_string(expected) +
                                              " bytes were downloaded. " + cure);
  }
}

std::vector<KnownFile> FilesOfManifest(const fs::path& folder) {
  std::vector<KnownFile> files;
  const json known = Read(folder);
  for (const auto& [name, entry] : known.items()) {
    files.push_back(
        {folder / fs::path(name).filename(), "sha256:" + entry["sha256"].get<std::string>()});
  }
  return files;
}

std::vector<std::string> FindDamage(const std::vector<KnownFile>& files,
                                    const std::function<void(const KnownFile&)>& seen) {
  std::vector<std::string> damage;
  for (const KnownFile& known : files) {
    try {
      const std::string found = ChecksumLike(known.checksum, known.file);
      if (found != known.checksum) {
        damage.push_back(known.file.string() + ": has the checksum " + found +
                         " where it should have " + known.checksum);
      }
    } catch (const Error& error) {
      damage.emplace_back(error.what());
    }
    seen(known);
  }
  return damage;
}

}  // namespace uffizi
