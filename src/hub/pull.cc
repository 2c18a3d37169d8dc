#include "hub/pull.h"

#include <algorithm>
#include <optional>

#include "core/ascii.h"
#include "core/mapped_file.h"
#include "core/owned_files.h"
#include "core/owned_folders.h"
#include "hub/cache.h"
#include "hub/environment.h"
#include "hub/manifest.h"
#include "hub/sources.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;

bool IsOffline() {
  for (const char* name : {"UFFIZI_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}) {
    std::string value = Environment({name});
    std::transform(value.begin(), value.end(), value.begin(),
                   [](unsigned char c) { return std::toupper(c); });
    if (value == "1" || value == "ON" || value == "YES" || value == "TRUE") return true;
  }
  return false;
}

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool IsWhole(const fs::path& folder) {
  return Exists(folder / "model.safetensors") || Exists(folder / "model.safetensors.index.json") ||
         Exists(folder / "adapter_model.safetensors");
}

// What Hugging Face's own tools have downloaded.
std::optional<fs::path> FindInHubCache(const ModelName& name) {
  fs::path hub = Environment({"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"});
  if (hub.empty()) {
    const std::string home = Environment({"HF_HOME"});
    hub = (home.empty() ? fs::path(Environment({"HOME"})) / ".cache/huggingface" : fs::path(home)) /
          "hub";
  }
  std::string key = name.repository();
  key.replace(key.find('/'), 1, "--");
  const fs::path model = hub / ("models--" + key), ref = model / "refs" / name.revision();
  std::error_code ignored;
  const bool named = fs::is_regular_file(ref, ignored);
  const std::string commit(Trim(named ? ReadFile(ref, 4096) : name.revision(), " \r\n"));
  const fs::path folder = model / "snapshots" / fs::path(commit).filename();
  const bool known = Exists(folder / "config.json") || Exists(folder / "adapter_config.json");
  if (!commit.empty() && known && IsWhole(folder)) return folder;
  return std::nullopt;
}

// The download of one model into the cache.
class Pull {
 public:
  Pull(const ModelName& name, const Unpack& unpack, const PullCallback& progress)
      : name_(name),
        unpack_(unpack),
        progress_(progress),
        folder_(CacheFolder() / "models" / name.key()),
        downloads_(CacheFolder() / "downloads" / name.key()) {}

  fs::path Run() {
    if (IsWhole(folder_)) {
      CheckSizes(folder_, Cure());
      return folder_;
    }
    if (name_.hugging_face()) {
      if (const auto found = FindInHubCache(name_)) return *found;
    }
    const FileLock lock(folder_.string() + ".lock");
    if (IsWhole(folder_)) return folder_;  // another process was faster
    if (const fs::path zip = folder_.string() + ".zip"; Exists(zip)) {
      unpack_(zip, folder_);
      WriteManifest(folder_);
      return folder_;
    }
    if (IsOffline()) {
      throw Error(ErrorCode::kNotFound,
                  name_.text() + ": is not in the cache, and downloads are disabled (offline). " +
                      ByHand());
    }
    CheckPlace();
    MakeFolders(downloads_);
    try {
      Fetch();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kIo && error.code() != ErrorCode::kNotFound) throw;
      throw Error(error.code(), name_.text() + ": no such folder, and cannot be downloaded: " +
                                    error.what() + ". " + ByHand());
    }
    Install();
    return folder_;
  }

  // The files in the cache with their expected checksums.
  std::vector<KnownFile> Known() {
    if (!IsWhole(folder_) && name_.hugging_face()) {
      if (const auto found = FindInHubCache(name_)) return BlobsOf(*found);
    }
    if (!IsWhole(folder_) && !HasManifest(folder_)) {
      throw Error(ErrorCode::kNotFound, name_.text() + ": is not in the cache");
    }
    std::vector<KnownFile> files = FilesOfManifest(folder_);
    if (files.empty() && name_.hugging_face() && !IsOffline()) files = AskSource();
    if (files.empty()) {
      throw Error(ErrorCode::kNotFound, folder_.string() +
                                            ": has no record of its files; move it away and pull "
                                            "it again to be able to verify it");
    }
    return files;
  }

 private:
  // In Hugging Face's own cache, files are links to files named by their checksum.
  static std::vector<KnownFile> BlobsOf(const fs::path& snapshot) {
    std::vector<KnownFile> files;
    for (const auto& entry : fs::recursive_directory_iterator(snapshot)) {
      if (!entry.is_symlink()) continue;
      const std::string blob = fs::read_symlink(entry.path()).filename().string();
      if (blob.size() == 64) files.push_back({entry.path(), "sha256:" + blob});
      if (blob.size() == 40) files.push_back({entry.path(), "sha1-git:" + blob});
    }
    return files;
  }

  std::vector<KnownFile> AskSource() const {
    MakeFolders(downloads_);
    std::vector<KnownFile> files;
    for (const RemoteFile& file : ListFiles(name_, downloads_)) {
      if (!file.download.checksum.empty()) {
        files.push_back({folder_ / file.name, file.download.checksum});
      }
    }
    RemoveIfEmpty(downloads_);
    return files;
  }

  std::string Cure() const {
    return "Move " + folder_.string() + " away and run `uffizi pull " + name_.text() +
           "` to download it again; `uffizi pull --verify " + name_.text() + "` checks every file";
  }

  std::string ByHand() const {
    if (name_.hugging_face()) {
      return "Put the files of " + AddressOf(name_) + " in " + folder_.string();
    }
    return "Put " + AddressOf(name_) + " at " + folder_.string() + ".zip";
  }

  // Something that a person has put in the model's place must not be replaced. Report it before
  // gigabytes are downloaded.
  void CheckPlace() const {
    std::error_code error;
    if (!IdentityOf(folder_) || fs::is_empty(folder_, error)) return;
    throw Error(ErrorCode::kIo, folder_.string() +
                                    ": is not empty, but contains no complete "
                                    "model. " +
                                    ByHand() + ", or move it away");
  }

  void Fetch() {
    const std::vector<RemoteFile> files = ListFiles(name_, downloads_);
    PullProgress now;
    for (const RemoteFile& file : files) now.total += file.download.size.value_or(0);
    CheckSpace(now.total);
    for (const RemoteFile& file : files) {
      names_.push_back(file.name);
      now.file = file.name;
      const uint64_t before = now.done;
      const fs::path place = downloads_ / file.name;
      // An existing file was checked when it was downloaded.
      if (!Exists(place)) {
        DownloadFile(file.download, place, [&](uint64_t done) {
          now.done = before + done;
          return !progress_ || progress_(now);
        });
      }
      now.done = before + fs::file_size(place);
    }
  }

  void CheckSpace(uint64_t wanted) const {
    std::error_code error;
    const fs::space_info space = fs::space(downloads_, error);
    uint64_t present = 0;
    for (const auto& entry : fs::directory_iterator(downloads_)) present += entry.file_size(error);
    if (!error && wanted > present && space.available < wanted - present) {
      throw Error(ErrorCode::kIo,
                  downloads_.string() + ": has room for " + std::to_string(space.available >> 20) +
                      " MiB, and " + std::to_string((wanted - present) >> 20) + " MiB are to come");
    }
  }

  // Moves the downloaded files to their place in one step.
  void Install() {
    if (name_.hugging_face()) {
      const ScratchFolder scratch(folder_);
      const fs::path whole = scratch.path() / "model";
      MakeFolders(whole);
      for (const std::string& file : names_) scratch.TakeIn(downloads_ / file, whole / file);
      scratch.MoveOut(whole, folder_);
    } else {
      unpack_(downloads_ / names_.front(), folder_);
      const ScratchFolder scratch(downloads_);  // removed together with the zip
      scratch.TakeIn(downloads_ / names_.front(), scratch.path() / names_.front());
    }
    RemoveIfEmpty(downloads_);
    WriteManifest(folder_);
  }

  const ModelName& name_;
  const Unpack& unpack_;
  const PullCallback& progress_;
  const fs::path folder_, downloads_;
  std::vector<std::string> names_;
};

}  // namespace

fs::path PullModel(const ModelName& name, const Unpack& unpack, const PullCallback& progress) {
  return Pull(name, unpack, progress).Run();
}

std::vector<std::string> VerifyModel(const ModelName& name,
                                     const std::function<void(const KnownFile&)>& seen) {
  return FindDamage(Pull(name, nullptr, nullptr).Known(), seen);
}

}  // namespace uffizi
