#ifndef UFFIZI_DATASET_SOURCE_H_
#define UFFIZI_DATASET_SOURCE_H_

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataset/page_selection.h"
#include "dataset/record.h"
#include "hub/fetch.h"
#include "uffizi/image.h"

namespace uffizi::dataset {

// Files in folders that are not pictures: how many with each extension (".txt", or "" without one).
using LeftOut = std::map<std::string, size_t>;

// Pictures one after another, always in the same order.
class Source {
 public:
  virtual ~Source() = default;

  // Steps to the next picture. False at the end.
  virtual bool Next(PictureRef& picture) = 0;

  // The bytes of the current picture. Throws Error: kNotFound, kIo, kImageTooLarge if there are
  // over `max_bytes`.
  virtual std::string Read(size_t max_bytes) = 0;

  // From the folders visited so far.
  virtual LeftOut left_out() const { return {}; }
};

struct CollectionOptions {
  std::string csv_column;  // "": the first one called path, image, file, ...
  // Folders to which outputs are written: their files are not inputs.
  std::vector<std::filesystem::path> skipped_folders;
  PageSelection pages = {};
  DecodeOptions decode = {};  // limits for files whose pages are counted
  FetchOptions fetch = {};    // of pictures by address
};

// An input of a collection. For one from a list, outputs keep the folders of its path.
struct CollectionInput {
  std::string path;
  bool from_list = false;
};

// The pictures of a job: files, folders (all below them, in the order of their names' bytes),
// globs,
// "-" for a list on standard input, WebDataset tars, and CSV files with a column of paths.
class Collection {
 public:
  // Reads standard input if "-" is among the inputs. Throws Error: kNotFound for a glob without
  // match, kUnsupported for a kind of file that contains pictures but is not supported.
  Collection(const std::vector<std::string>& inputs, CollectionOptions options);

  // From the first picture.
  std::unique_ptr<Source> Open() const;

  // Whether the names of the pictures are known without reading everything, which is not the case
  // for a compressed archive.
  bool IsListed() const;

  // Nothing if they are not listed.
  std::optional<size_t> Count() const;

 private:
  std::vector<CollectionInput> inputs_;
  CollectionOptions options_;
};

// `path` without extension, root, "." and "..", so that it can safely be appended to a folder.
std::filesystem::path SafeStem(const std::filesystem::path& path);

// The sources that a Collection is made of.
// `videos`: files of videos are pictures too.
std::unique_ptr<Source> OpenFolder(const std::filesystem::path& folder,
                                   const std::vector<std::filesystem::path>& skipped, bool videos);
std::unique_ptr<Source> OpenTar(const std::filesystem::path& path);
// Throws Error(kInvalidArgument) if the column is missing.
std::unique_ptr<Source> OpenCsv(const std::filesystem::path& path, const std::string& column,
                                const FetchOptions& fetch);

// The picture behind an address, before it is fetched: "https://host/a/b.jpg" has the stem
// host/a/b.
PictureRef PictureAt(const std::string& url);
// Fetches it. Throws like Source::Read().
std::string ReadPictureAt(const std::string& url, const FetchOptions& fetch, size_t max_bytes);

// Reads a picture's file. Throws like Source::Read().
std::string ReadPictureFile(const std::filesystem::path& path, size_t max_bytes);

bool IsTar(const std::filesystem::path& path);
bool IsCompressedTar(const std::filesystem::path& path);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_SOURCE_H_
