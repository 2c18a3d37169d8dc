#ifndef UFFIZI_HUB_SOURCES_H_
#define UFFIZI_HUB_SOURCES_H_

#include <filesystem>
#include <string>
#include <vector>

#include "hub/download.h"

namespace uffizi {

// A model that is known by a name: "OWNER/NAME" or "OWNER/NAME@REVISION" of Hugging Face, or one of
// Spark NLP's, "florence_2_...".
class ModelName {
 public:
  static bool IsOne(const std::string& text);
  explicit ModelName(std::string text) : text_(std::move(text)) {}

  const std::string& text() const { return text_; }
  bool hugging_face() const { return text_.find('/') != std::string::npos; }
  // "OWNER/NAME" and "REVISION" ("main" if none is given) of a Hugging Face id.
  std::string repository() const { return text_.substr(0, text_.find('@')); }
  std::string revision() const;
  // Its name in the cache: "OWNER--NAME", "OWNER--NAME@REVISION", or the name.
  std::string key() const;

 private:
  std::string text_;
};

// The address where it can be viewed or downloaded by hand.
std::string AddressOf(const ModelName& name);

// A file of a model: its name in the model's folder and its source.
struct RemoteFile {
  std::string name;
  Download download;
};

// Asks the source for the model's files: those of a Hugging Face folder, or one zip. The response
// is stored in `scratch`. Throws like DownloadFile(), and kUnsupported if the weights exist only as
// pickles.
std::vector<RemoteFile> ListFiles(const ModelName& name, const std::filesystem::path& scratch);

}  // namespace uffizi

#endif  // UFFIZI_HUB_SOURCES_H_
