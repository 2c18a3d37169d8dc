#ifndef UFFIZI_TESTS_FUZZ_HARNESS_H_
#define UFFIZI_TESTS_FUZZ_HARNESS_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>
#include <string>
#include <string_view>

#include "uffizi/error.h"

namespace uffizi::fuzz {

// Prints what is wrong and aborts, which a fuzzer reports as a finding.
inline void Require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "finding: %s\n", what);
  std::abort();
}

// Every input must be either accepted or refused with a one-line Error. Any other exception
// propagates and is a finding.
template <typename Action>
void Guard(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    const std::string_view message = error.what();
    Require(!message.empty(), "an Error without a message");
    Require(message.find('\n') == std::string_view::npos, "an Error of two lines");
    Require(error.code() != ErrorCode::kInternal, "an Error that blames ourselves");
  }
}

inline std::string_view AsText(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Removes the text before the next NUL, and that NUL, from the front of `input`.
inline std::string_view TakePart(std::string_view& input) {
  const size_t end = input.find('\0');
  const std::string_view part = input.substr(0, end);
  input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
  return part;
}

// A folder for all inputs of a process, below TMPDIR, which is removed when the process ends.
inline const std::filesystem::path& Scratch() {
  struct Folder {
    Folder() {
      std::string pattern = (std::filesystem::temp_directory_path() / "fuzz-XXXXXX").string();
      Require(mkdtemp(pattern.data()) != nullptr, "no temporary folder can be made");
      path = pattern;
    }
    ~Folder() {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
    }
    std::filesystem::path path;
  };
  static const Folder folder;
  return folder.path;
}

inline std::filesystem::path WriteScratch(const char* name, std::string_view content) {
  const std::filesystem::path file = Scratch() / name;
  std::ofstream(file, std::ios::binary).write(content.data(), std::ssize(content));
  return file;
}

}  // namespace uffizi::fuzz

// Each harness defines this: libFuzzer calls it with generated inputs, replay.cc with files.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#endif  // UFFIZI_TESTS_FUZZ_HARNESS_H_
