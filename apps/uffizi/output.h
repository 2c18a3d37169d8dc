#ifndef UFFIZI_APPS_OUTPUT_H_
#define UFFIZI_APPS_OUTPUT_H_

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "uffizi/error.h"
#include "uffizi/image.h"
#include "uffizi/types.h"

namespace uffizi::cli {

enum class Format { kTable, kJson, kJsonl };

// Where answers go: standard output or a file, as lines of JSON, one JSON list, or a table.
class Output {
 public:
  // An empty path is standard output. Throws Error(kIo).
  Output(Format format, const std::filesystem::path& path);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void Add(const std::string& image, const Result& result);
  void AddError(const std::string& image, const Error& error);

  // Ends the list, and flushes. Throws Error(kIo) if anything could not be written.
  void Close();

 private:
  void Write(const std::string& text);
  void AddJson(const std::string& json);

  Format format_;
  std::filesystem::path path_;
  std::ofstream file_;
  std::string last_image_;  // of the table's last row
  bool first_ = true;
};

// Saves annotated pictures into a folder, under the picture's name and the task's.
class Drawings {
 public:
  // Makes the folder. Throws Error(kIo).
  explicit Drawings(const std::filesystem::path& folder);
  void Add(const std::filesystem::path& image_path, ImageView image, const Result& result);

 private:
  std::filesystem::path folder_;
  std::set<std::string> used_;  // names given out, so that no picture overwrites another's
};

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_OUTPUT_H_
