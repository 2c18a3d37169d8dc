#include "native.h"

#ifdef UFFIZI_COMMAND_LINE  // ./run dist: the command line is linked in, not a program beside it
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

extern "C" int uffizi_main(int argc, char** argv);

namespace uffizi::python {
namespace {

int RunCommandLine(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const nb::gil_scoped_release release;
  return uffizi_main(static_cast<int>(arguments.size()), pointers.data());
}

}  // namespace
}  // namespace uffizi::python
#endif

NB_MODULE(_native, module) {
  using namespace uffizi::python;
  BindErrors(module);
  BindAnswers(module);
  BindPictures(module);
  BindModels(module);
  BindEngine(module);
  BindFiles(module);
#ifdef UFFIZI_COMMAND_LINE
  module.def("command_line", &RunCommandLine, nb::arg("arguments"),
             "Runs the command line with these arguments, the first of which is its name.");
#endif
}
