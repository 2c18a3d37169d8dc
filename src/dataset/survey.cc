#include "dataset/survey.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

// Identifies the file that a path refers to, independent of its names.
using FileKey = std::pair<dev_t, ino_t>;

std::optional<FileKey> KeyOf(const fs::path& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return FileKey{status.st_dev, status.st_ino};
}

fs::path Canonical(const fs::path& path) {
  std::error_code ignored;
  fs::path canonical = fs::weakly_canonical(fs::absolute(path, ignored), ignored);
  if (!canonical.has_filename()) canonical = canonical.parent_path();  // "drawn/"
  return canonical;
}

bool IsBelow(const fs::path& path, const fs::path& folder) {
  const fs::path below = path.lexically_relative(folder);
  return !below.empty() && *below.begin() != "..";
}

[[noreturn]] void Refuse(const std::string& reason) {
  throw Error(ErrorCode::kInvalidArgument, reason);
}

void CheckShared(const NamedOutput& a, const NamedOutput& b) {
  const fs::path first = Canonical(a.path), second = Canonical(b.path);
  const auto key = KeyOf(first);
  const bool same = first == second || (key && key == KeyOf(second));
  // Nothing else may be in the journal's folder.
  if (a.option == "--job" && !same && IsBelow(second, first)) {
    Refuse(b.path.string() + ": lies in " + a.path.string() +
           ", the folder of the job's journal, which can hold nothing else; choose another with "
           "--job");
  }
  if (same) {
    Refuse(b.path.string() + ": is an output of both " + a.option + " and " + b.option);
  }
}

// Counts existing outputs that prevent the job, to report them all at once.
class Obstacles {
 public:
  void Add(const std::vector<fs::path>& paths, Existing existing) {
    for (const fs::path& path : paths) {
      if (count_++ > 0) continue;
      first_ = path;
      existing_ = existing;
    }
  }

  void Refuse() const {
    if (count_ == 0) return;
    const std::string what =
        count_ == 1 ? first_.string() + ": already exists and was not made by this job"
                    : std::to_string(count_) +
                          " outputs already exist that were not made by this job, such as " +
                          first_.string();
    std::string advice =
        "; choose what to do with them with --existing "
        "keep|overwrite|append|prepend";
    if (existing_ == Existing::kKeep) {
      advice = "; --existing keep is only for per-picture files, overwrite replaces this file";
    } else if (existing_ == Existing::kAppend || existing_ == Existing::kPrepend) {
      advice =
          "; append and prepend are for .txt sidecars; use --existing keep|overwrite for others";
    } else if (existing_ == Existing::kOverwrite) {
      advice =
          "; it is another picture, which is never replaced by a link, not even with "
          "--existing overwrite";
    }
    dataset::Refuse(what + advice);
  }

 private:
  size_t count_ = 0;
  fs::path first_;
  Existing existing_ = Existing::kRefuse;
};

}  // namespace

void CheckOutputs(const std::vector<NamedOutput>& outputs, const OtherInputs& inputs) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].is_folder && IsStream(outputs[i].path)) continue;
    for (size_t j = i + 1; j < outputs.size(); ++j) {
      if (!outputs[j].is_folder && IsStream(outputs[j].path)) continue;
      CheckShared(outputs[i], outputs[j]);
      if (outputs[j].option == "--job") CheckShared(outputs[j], outputs[i]);
    }
    const auto key = KeyOf(outputs[i].path);
    const fs::path path = Canonical(outputs[i].path);
    for (const fs::path& input : inputs) {
      std::error_code ignored;
      const bool same = path == Canonical(input) || (key && key == KeyOf(input));
      const bool inside =
          key && fs::is_directory(input, ignored) && IsBelow(path, Canonical(input));
      if (same || inside) {
        Refuse(outputs[i].path.string() + ": is an input, and would be overwritten by " +
               outputs[i].option);
      }
    }
  }
}

std::optional<size_t> Survey(Job& job, const std::vector<NamedOutput>& outputs) {
  JobFiles none;
  JobFiles& files = job.journal != nullptr ? job.journal->files() : none;
  Obstacles obstacles;
  std::map<FileKey, std::string> replaced;  // what would be replaced, and by which option
  for (const NamedOutput& output : outputs) {
    const auto key = output.is_folder ? std::nullopt : KeyOf(output.path);
    if (key && !IsStream(output.path)) replaced[*key] = output.option;
  }
  for (const auto& sink : job.sinks) {
    sink->Use(files, job.existing);
    obstacles.Add(sink->InTheWay(), sink->existing());
  }
  const size_t done = job.journal != nullptr ? job.journal->done() : 0;
  std::optional<size_t> total;
  const auto visit = [&](const auto& look) {
    PictureNamer namer(job.naming);
    Record record;
    const auto source = job.collection->Open();
    for (record.index = 0; source->Next(record.picture); ++record.index) {
      namer.Name(record);
      look(record);
    }
    total = record.index;
  };
  if (job.collection->IsListed()) {
    visit([&](const Record& record) {
      if (record.index < done) return;
      for (const auto& sink : job.sinks) {
        obstacles.Add(sink->InTheWayOf(record), sink->existing());
        if (sink->Keeps()) continue;
        for (const fs::path& path : sink->FilesOf(record)) {
          if (const auto key = KeyOf(path)) replaced[*key] = sink->description();
        }
      }
    });
    if (!replaced.empty()) {
      visit([&](const Record& record) {
        const auto key = record.picture.file.empty() ? std::nullopt : KeyOf(record.picture.file);
        const auto found = key ? replaced.find(*key) : replaced.end();
        if (found == replaced.end()) return;
        Refuse(record.picture.name + ": is an input, and would be overwritten by " + found->second);
      });
    }
  }
  obstacles.Refuse();
  return total;
}

}  // namespace uffizi::dataset
