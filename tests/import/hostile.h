#ifndef UFFIZI_TESTS_IMPORT_HOSTILE_H_
#define UFFIZI_TESTS_IMPORT_HOSTILE_H_

#include <gtest/gtest.h>
#include <zip.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "uffizi/error.h"

namespace uffizi::testing {

// What the Error says that an action ends with; empty if it ends well.
inline std::string MessageOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

struct Member {
  std::string name, content;
  zip_uint32_t unix_mode = 0100644;
};

inline void WriteZip(const std::filesystem::path& file, const std::vector<Member>& members) {
  zip_t* archive = zip_open(file.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  ASSERT_NE(archive, nullptr);
  for (const Member& member : members) {
    zip_source_t* source =
        zip_source_buffer(archive, member.content.data(), member.content.size(), 0);
    const zip_int64_t index = zip_file_add(archive, member.name.c_str(), source, ZIP_FL_ENC_UTF_8);
    ASSERT_GE(index, 0) << zip_strerror(archive);
    zip_file_set_external_attributes(archive, static_cast<zip_uint64_t>(index), 0, ZIP_OPSYS_UNIX,
                                     member.unix_mode << 16);
  }
  ASSERT_EQ(zip_close(archive), 0) << zip_strerror(archive);
}

}  // namespace uffizi::testing

#endif  // UFFIZI_TESTS_IMPORT_HOSTILE_H_
