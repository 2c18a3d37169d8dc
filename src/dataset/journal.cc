#include "dataset/journal.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/mapped_file.h"
#include "core/owned_files.h"
#include "uffizi/error.h"

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFileName = "journal.json";
constexpr const char* kRecord = "files";
constexpr int kVersion = 2;

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

Journal::Journal(fs::path folder, bool by_name)
    : folder_(std::move(folder),
              {kFileName, kRecord, "coco-annotations", "coco-images", "coco-categories",
               "yolo-classes"},
              by_name) {
  folder_.Make();
  lock_ = folder_.Lock();
  try {
    Load();
    int64_t alive = 0;
    for (const char* name : {kFileName, kRecord}) {
      if (const auto last = IdentityOf(folder_.Place(name)))
        alive = std::max(alive, last->modified);
    }
    files_.Attach(folder_.OpenToAppend(kRecord), alive);
  } catch (...) {
    Leave();
    throw;
  }
}

Journal::~Journal() { Leave(); }

void Journal::Leave() {
  // A job that failed before it wrote any output leaves nothing behind.
  if (!written_) folder_.RemoveAll();
  close(lock_);
}

void Journal::Load() {
  if (!IdentityOf(folder_.Place(kFileName))) return;
  written_ = true;
  const json content =
      json::parse(ReadFile(folder_.Place(kFileName)), nullptr, /*allow_exceptions=*/false);
  if (!content.is_object() || content.value("version", 0) != kVersion) {
    damage_ = "contains an unfinished job that this program cannot read";
    return;
  }
  try {
    left_options_ = content.at("options").get<JobOptions>();
    left_ = Checkpoint{content.at("done").get<size_t>(),
                       content.at("failed").get<size_t>(),
                       content.at("already_there").get<size_t>(),
                       content.at("kept").get<size_t>(),
                       content.at("outside").get<size_t>(),
                       content.at("names").get<uint64_t>(),
                       content.at("lengths").get<std::vector<uint64_t>>()};
  } catch (const json::exception&) {
    damage_ = "contains an unfinished job whose journal is damaged";
  }
}

size_t Journal::done() const { return left_ ? left_->done : 0; }

void Journal::Begin(JobOptions options, bool restart) {
  options_ = std::move(options);
  if (restart) return;
  std::string reason = damage_;
  if (reason.empty() && done() > 0) {  // otherwise nothing is lost
    const std::string difference = Difference(left_options_, options_);
    if (!difference.empty()) {
      reason = "contains an unfinished job with other options (" + difference +
               "); repeat the original command to resume it";
    }
  }
  if (!reason.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                folder().string() + ": " + reason + "; --restart discards it and starts over");
  }
  if (done() > 0) found_ = left_;
}

void Journal::Write(const Checkpoint& checkpoint) {
  files_.Sync();
  const json content = {{"version", kVersion},
                        {"options", options_},
                        {"done", checkpoint.done},
                        {"failed", checkpoint.failed},
                        {"already_there", checkpoint.already_there},
                        {"kept", checkpoint.kept},
                        {"outside", checkpoint.outside},
                        {"names", checkpoint.names},
                        {"lengths", checkpoint.lengths}};
  folder_.Write(kFileName, content.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
  written_ = true;
}

void Journal::Remove() {
  folder_.Remove(kFileName);  // first: without it the rest is meaningless
  folder_.RemoveAll();
}

}  // namespace uffizi::dataset
