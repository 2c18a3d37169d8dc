#ifndef UFFIZI_IMAGE_RUNTIME_LIBRARY_H_
#define UFFIZI_IMAGE_RUNTIME_LIBRARY_H_

#include <span>
#include <string>

namespace uffizi {

// A shared library that is loaded when it is first needed and stays loaded, for libraries that we
// do not link because of their size or licence.
class RuntimeLibrary {
 public:
  // Tries the file that the environment's `variable` names, else `names`, which may be a file for
  // the system's loader or a pattern of paths, where $HOME and $VIRTUAL_ENV are replaced.
  RuntimeLibrary(const char* variable, std::span<const char* const> names);

  bool loaded() const { return handle_ != nullptr; }

  // Sets `function` to the library's `symbol`; false if there is none.
  template <typename Function>
  bool Find(const char* symbol, Function*& function) const {
    function = reinterpret_cast<Function*>(Symbol(symbol));
    return function != nullptr;
  }

 private:
  void* Symbol(const char* symbol) const;
  void* handle_ = nullptr;
};

}  // namespace uffizi

#endif  // UFFIZI_IMAGE_RUNTIME_LIBRARY_H_
