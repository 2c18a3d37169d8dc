#include "image/runtime_library.h"

#include <dlfcn.h>
#include <glob.h>

#include <cstdlib>

namespace uffizi {
namespace {

void* Load(const std::string& path) { return dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL); }

// Expands an environment variable at the start of `pattern`; "" if it is not set.
std::string Expand(std::string pattern) {
  if (pattern.front() != '$') return pattern;
  const size_t slash = pattern.find('/');
  const char* value = std::getenv(pattern.substr(1, slash - 1).c_str());
  return value == nullptr || *value == 0 ? "" : value + pattern.substr(slash);
}

void* LoadMatch(const std::string& pattern) {
  glob_t found = {};
  void* handle = nullptr;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (size_t i = found.gl_pathc; i > 0 && handle == nullptr; --i) {
      handle = Load(found.gl_pathv[i - 1]);
    }
  }
  globfree(&found);
  return handle;
}

}  // namespace

RuntimeLibrary::RuntimeLibrary(const char* variable, std::span<const char* const> names) {
  if (const char* path = std::getenv(variable); path != nullptr && *path != 0) {
    handle_ = Load(path);
    return;  // if a file is named, no other is tried
  }
  for (const char* name : names) {
    const std::string path = Expand(name);
    if (path.empty()) continue;
    handle_ = path.find('*') == std::string::npos ? Load(path) : LoadMatch(path);
    if (handle_ != nullptr) return;
  }
}

void* RuntimeLibrary::Symbol(const char* symbol) const {
  return handle_ != nullptr ? dlsym(handle_, symbol) : nullptr;
}

}  // namespace uffizi
