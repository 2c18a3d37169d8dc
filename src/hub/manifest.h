#ifndef UFFIZI_HUB_MANIFEST_H_
#define UFFIZI_HUB_MANIFEST_H_

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace uffizi {

// What a model's files were when they came into the cache: their sizes and SHA-256. Kept beside the
// folder, FOLDER.files.json, so that the folder is one like any other.
void WriteManifest(const std::filesystem::path& folder);

// Whether there is one.
bool HasManifest(const std::filesystem::path& folder);

// Compares the sizes, which costs next to nothing. Throws Error(kInvalidModel) that names a file
// that is missing, or has lost or gained bytes since, and what `cure` says. Without a manifest
// there is nothing to compare.
void CheckSizes(const std::filesystem::path& folder, const std::string& cure);

// A file and the checksum it should have, as Download has it.
struct KnownFile {
  std::filesystem::path file;
  std::string checksum;
};
// All files of the manifest.
std::vector<KnownFile> FilesOfManifest(const std::filesystem::path& folder);

// Reads files whole, and says of each that is not what it was why: "FILE: reason". `seen` is called
// after each.
std::vector<std::string> FindDamage(const std::vector<KnownFile>& files,
                                    const std::function<void(const KnownFile&)>& seen);

}  // namespace uffizi

#endif  // UFFIZI_HUB_MANIFEST_H_
