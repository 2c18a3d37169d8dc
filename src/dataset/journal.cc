#include "dataset/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/mapped_file.h"
#include "dataset/append_file.h"
#include "uffizi/error.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFileName = "journal.json";
constexpr int kVersion = 1;

// Names the first option that differs.
std::string Difference(const JobOptions& theirs, const JobOptions& ours) {
  const auto show = [](const JobOptions& options, const std::string& name) {
    const auto found = options.find(name);
    return found == options.end() || found->second.empty() ? "none" : found->second;
  };
  for (const JobOptions* options : {&ours, &theirs}) {
    for (const auto& [name, value] : *options) {
      const std::string before = show(theirs, name), now = show(ours, name);
      if (before != now) return name + ": then " + before + ", now " + now;
    }
  }
  return "";
}

}  // namespace

Journal::Journal(fs::path folder, JobOptions options, bool restart)
    : folder_(std::move(folder)), options_(std::move(options)) {
  std::error_code error;
  fs::create_directories(folder_, error);
  const fs::path lock = folder_ / "lock";
  lock_ = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0) {
    throw Error(ErrorCode::kIo, lock.string() + ": cannot be written: " + std::strerror(errno));
  }
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    close(lock_);
    throw Error(ErrorCode::kInvalidArgument, folder_.string() + ": another process runs this job");
  }
  try {
    Load(restart);
  } catch (...) {
    close(lock_);
    throw;
  }
}

Journal::~Journal() {
  std::error_code error;
  // A job that failed before it touched its outputs leaves nothing behind.
  if (!fs::exists(folder_ / kFileName, error)) fs::remove_all(folder_, error);
  close(lock_);
}

void Journal::Load(bool restart) {
  const fs::path path = folder_ / kFileName;
  if (restart) fs::remove(path);
  if (!fs::exists(path)) return;
  const auto fail = [&](const std::string& reason) -> void {
    throw Error(ErrorCode::kInvalidArgument,
                folder_.string() + ": " + reason + "; --restart throws it away and begins again");
  };
  const json content = json::parse(ReadFile(path), nullptr, /*allow_exceptions=*/false);
  if (!content.is_object() || content.value("version", 0) != kVersion) {
    fail("holds an unfinished job that this program cannot read");
  }
  try {
    if (content.at("done") == 0) return;  // nothing is lost, whatever it was
    const std::string difference = Difference(content.at("options").get<JobOptions>(), options_);
    if (!difference.empty()) {
      fail("holds an unfinished job with other options (" + difference +
           "); the same command as then goes on with it");
    }
    found_ = Checkpoint{content.at("done").get<size_t>(), content.at("failed").get<size_t>(),
                        content.at("names").get<uint64_t>(),
                        content.at("lengths").get<std::vector<uint64_t>>()};
  } catch (const json::exception&) {
    fail("holds an unfinished job whose journal is damaged");
  }
}

void Journal::Write(const Checkpoint& checkpoint) {
  const json content = {{"version", kVersion},       {"options", options_},
                        {"done", checkpoint.done},   {"failed", checkpoint.failed},
                        {"names", checkpoint.names}, {"lengths", checkpoint.lengths}};
  WriteWholeFile(folder_ / kFileName,
                 content.dump(1, ' ', false, json::error_handler_t::replace) + "\n", true);
}

void Journal::Remove() {
  std::error_code error;
  fs::remove(folder_ / kFileName, error);  // first: without it the rest means nothing
  fs::remove_all(folder_, error);
}

}  // namespace uffizi::dataset
