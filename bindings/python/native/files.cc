#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/owned_files.h"
#include "core/owned_folders.h"
#include "native.h"
#include "uffizi/error.h"

namespace uffizi::python {
namespace {

namespace fs = std::filesystem;

std::string_view ViewBytes(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

// The folder of a resumable job, locked while this object lives.
class JobFolder {
 public:
  JobFolder(fs::path path, std::vector<std::string> names)
      : folder_(std::move(path), std::move(names), /*by_us=*/true) {
    folder_.Make();
    lock_ = folder_.Lock();
  }
  ~JobFolder() { close(lock_); }
  JobFolder(const JobFolder&) = delete;
  JobFolder& operator=(const JobFolder&) = delete;

  fs::path Place(const std::string& name) const { return folder_.Place(name); }
  void Write(const std::string& name, const nb::bytes& bytes) {
    folder_.Write(name, ViewBytes(bytes));
  }
  void RemoveAll() { folder_.RemoveAll(); }

  // Writes after the first `length` bytes of a file, which is created if necessary, and truncates
  // the rest. Returns the new length, flushed to disk.
  uint64_t Append(const std::string& name, uint64_t length, const nb::bytes& bytes) {
    const fs::path place = folder_.Place(name);
    close(folder_.OpenToAppend(name));
    const int file = ReopenFile(place, length);
    int error = WriteAll(file, ViewBytes(bytes));
    if (error == 0 && fsync(file) != 0) error = errno;
    close(file);
    if (error != 0) {
      throw Error(ErrorCode::kIo, place.string() + ": cannot be written: " + std::strerror(error));
    }
    return length + bytes.size();
  }

 private:
  OwnFolder folder_;
  int lock_ = -1;
};

}  // namespace

void BindFiles(nb::module_& module) {
  nb::class_<OutFile>(module, "OutFile",
                      "A file that appears whole, where nothing stands, or not at all.")
      .def(nb::init<fs::path>(), nb::arg("place"),
           nb::sig("def __init__(self, place: str | os.PathLike[str]) -> None"))
      .def(
          "write", [](OutFile& file, const nb::bytes& bytes) { file.Write(ViewBytes(bytes)); },
          nb::arg("bytes"))
      .def(
          "finish", [](OutFile& file) { file.Finish(); }, "Gives the file its name.");

  nb::class_<JobFolder>(module, "JobFolder",
                        "Files of a job that may be gone on with; nothing of others lies there.")
      .def(nb::init<fs::path, std::vector<std::string>>(), nb::arg("path"), nb::arg("names"),
           nb::sig("def __init__(self, path: str | os.PathLike[str], "
                   "names: collections.abc.Sequence[str]) -> None"))
      .def("place", &JobFolder::Place, nb::arg("name"))
      .def("write", &JobFolder::Write, nb::arg("name"), nb::arg("bytes"),
           "Replaces one of its files in one step.")
      .def("append", &JobFolder::Append, nb::arg("name"), nb::arg("length"), nb::arg("bytes"),
           "Writes behind the first `length` bytes of one of its files; returns the new length.")
      .def("remove", &JobFolder::RemoveAll, "Removes its files, and the folder if it is empty.");
}

}  // namespace uffizi::python
