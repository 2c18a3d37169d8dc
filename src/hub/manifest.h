#ifndef UFFIZI_HUB_MANIFEST_H_
#define UFFIZI_HUB_MANIFEST_H_

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace uffizi {

// Sizes and SHA-256 of a model's files when they were added to the cache. Stored beside the folder,
// as FOLDER.files.json, so that the folder itself contains only the model.
void WriteManifest(const std::filesystem::path& folder);

// Whether there is one.
bool HasManifest(const std::filesystem::path& folder);

// Compares the sizes, which is cheap. Throws Error(kInvalidModel) that names a file that is missing
// or has changed its size, followed by `cure`. Does nothing without a manifest.
void CheckSizes(const std::filesystem::path& folder, const std::string& cure);

// A file and its expected checksum, in the form that Download uses.
struct KnownFile {
  std::filesystem::path file;
  std::string checksum;
};
// All files of the manifest.
std::vector<KnownFile> FilesOfManifest(const std::filesystem::path& folder);

// Reads all files and returns "FILE: reason" for each that does not match. `seen` is called after
// each.
std::vector<std::string> FindDamage(const std::vector<KnownFile>& files,
                                    const std::function<void(const KnownFile&)>& seen);

}  // namespace uffizi

#endif  // UFFIZI_HUB_MANIFEST_H_
