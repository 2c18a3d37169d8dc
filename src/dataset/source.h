#ifndef UFFIZI_DATASET_SOURCE_H_
#define UFFIZI_DATASET_SOURCE_H_

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataset/record.h"

namespace uffizi::dataset {

// Pictures one after another, always in the same order.
class Source {
 public:
  virtual ~Source() = default;

  // Steps to the next picture. False at the end.
  virtual bool Next(PictureRef& picture) = 0;

  // The bytes of the picture that Next gave last. Throws Error: kNotFound, kIo, kImageTooLarge if
  // there are over `max_bytes`.
  virtual std::string Read(size_t max_bytes) = 0;
};

struct CollectionOptions {
  std::string csv_column;  // "": the first that is called path, image, file, ...
  // Folders in which outputs are written: what they hold is no input.
  std::vector<std::filesystem::path> skipped_folders;
};

// What a collection was given. From a list: outputs keep the folders of its path.
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
  // match, kUnsupported for a kind of file that holds pictures but that we do not read.
  Collection(const std::vector<std::string>& inputs, CollectionOptions options);

  // From the first picture.
  std::unique_ptr<Source> Open() const;

  // Whether the names of the pictures are known without reading everything, as they are not for a
  // compressed archive.
  bool IsListed() const;

  // Nothing if they are not listed.
  std::optional<size_t> Count() const;

 private:
  std::vector<CollectionInput> inputs_;
  CollectionOptions options_;
};

// `path` without extension, root, "." and "..": something that may safely follow a folder's name.
std::filesystem::path SafeStem(const std::filesystem::path& path);

// The sources that a Collection is made of.
std::unique_ptr<Source> OpenFolder(const std::filesystem::path& folder,
                                   const std::vector<std::filesystem::path>& skipped);
std::unique_ptr<Source> OpenTar(const std::filesystem::path& path);
// Throws Error(kInvalidArgument) if the column is missing.
std::unique_ptr<Source> OpenCsv(const std::filesystem::path& path, const std::string& column);

// A picture's file. Throws as Source::Read.
std::string ReadPictureFile(const std::filesystem::path& path, size_t max_bytes);

bool IsTar(const std::filesystem::path& path);
bool IsCompressedTar(const std::filesystem::path& path);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_SOURCE_H_
