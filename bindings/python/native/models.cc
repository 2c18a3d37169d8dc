#include "uffizi/models.h"

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/string.h>

#include <optional>

#include "native.h"

namespace uffizi::python {
namespace {

// Checks for Ctrl-C, and reports the progress of a download to `progress`, unless that is None. A
// Python exception stops the download and is then thrown.
std::filesystem::path Resolve(const std::filesystem::path& source, const nb::object& progress,
                              int bits) {
  std::optional<nb::python_error> failure;
  const auto tell = [&](const PullProgress& now) {
    const nb::gil_scoped_acquire acquire;
    try {
      if (PyErr_CheckSignals() != 0) throw nb::python_error();
      return progress.is_none() || progress(now.file, now.done, now.total).ptr() != Py_False;
    } catch (const nb::python_error& error) {
      failure.emplace(error);
      return false;
    }
  };
  try {
    const nb::gil_scoped_release release;
    return ResolveModel(source, tell, bits);
  } catch (const Error&) {
    if (failure) throw nb::python_error(*failure);
    throw;
  }
}

}  // namespace

void BindModels(nb::module_& module) {
  module.def(
      "resolve_model", &Resolve, nb::arg("source"), nb::arg("progress").none(), nb::arg("bits"),
      nb::sig("def resolve_model(source: str | os.PathLike[str], "
              "progress: collections.abc.Callable[[str, int, int], bool | None] | None, bits: int) "
              "-> pathlib.Path"));
}

}  // namespace uffizi::python
