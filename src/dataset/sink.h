#ifndef UFFIZI_DATASET_SINK_H_
#define UFFIZI_DATASET_SINK_H_

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataset/append_file.h"
#include "dataset/class_list.h"
#include "dataset/job_files.h"
#include "dataset/record.h"
#include "uffizi/task.h"

namespace uffizi::dataset {

// A form in which answers are kept. The job calls Use and Begin, then Prepare and Add for every
// picture, then Finish. It may be killed at any instant and go on later: files() are then cut back
// to their lengths at the last checkpoint, and the pictures since then come again; so files of
// single pictures are written whole, and the same picture gives the same file. What exists and was
// not made by the job stays unless `existing` says otherwise. Errors are thrown as Error(kIo), and
// kInvalidArgument if something stands in the way.
class Sink {
 public:
  virtual ~Sink() = default;

  // "coco /data/out.json": tells one job from another.
  virtual std::string description() const = 0;

  // Before anything else: the job's files, and what to do about others'. May be called again.
  virtual void Use(JobFiles& files, std::optional<Existing> existing) {
    job_files_ = &files;
    existing_ = existing.value_or(usual_existing());
  }

  // The files that grow with the job. Opened by the job, before Begin.
  virtual std::vector<AppendFile*> files() { return {}; }

  // What stands in the way of the whole job: outputs that exist, were not made by it, and may not
  // be replaced.
  virtual std::vector<std::filesystem::path> InTheWay();

  // The files that are made for this picture alone, as far as they are known before it is asked
  // about.
  virtual std::vector<std::filesystem::path> FilesOf(const Record&) const { return {}; }

  // Those of them that exist, were not made by the job, and may neither stay nor be replaced.
  virtual std::vector<std::filesystem::path> InTheWayOf(const Record& record) const;

  // Whether an answer for this picture is there already, which another has made.
  virtual bool Has(const Record& record) const;

  // Whether answers that are there stay as they are.
  virtual bool Keeps() const { return existing_ == Existing::kKeep; }

  // Before the first picture. The files hold what earlier runs of this job wrote.
  virtual void Begin() {}

  // Work that needs no order, on any thread and for several pictures at a time. `image` is empty
  // unless wants_pixels().
  virtual void Prepare(const Record&, const Image&) const {}
  virtual bool wants_pixels() const { return false; }

  // The next picture. One thread at a time, in the order of the collection.
  virtual void Add(const Record&) {}

  // Now and then, before the journal notes how far the job is.
  virtual void Checkpoint() {}

  // After the last picture. May be called again, if the job was killed meanwhile, with the files
  // cut back to what they were before.
  virtual void Finish() {}

  Existing existing() const { return existing_; }
  size_t kept() const { return kept_; }         // files that stayed as they were, in this run
  virtual size_t outside() const { return 0; }  // regions left out by this sink, in this run

 protected:
  virtual Existing usual_existing() const { return Existing::kRefuse; }

  // Writes a file for a single picture, unless it is another's that stays.
  void WritePictureFile(const std::filesystem::path& path, std::string_view bytes) const;
  JobFiles& job_files() const { return *job_files_; }
  void CountKept() const { ++kept_; }

 private:
  JobFiles* job_files_ = nullptr;
  Existing existing_ = Existing::kRefuse;
  mutable std::atomic<size_t> kept_ = 0;
};

// The sinks. Paths may be empty for standard output where a single file is written.

enum class JsonLayout { kLines, kList };
std::unique_ptr<Sink> MakeJsonSink(const std::filesystem::path& path, JsonLayout layout);

// A row for each region, or for each answer without regions. See docs/collections.md.
std::unique_ptr<Sink> MakeCsvSink(const std::filesystem::path& path);

// COCO detection and segmentation. `work_folder` holds what must wait until the pictures' list is
// complete.
std::unique_ptr<Sink> MakeCocoSink(const std::filesystem::path& path,
                                   const std::filesystem::path& work_folder,
                                   const ClassNames& classes = {});

// folder/labels/NAME.txt, folder/images/NAME.EXT (links), classes.txt and data.yaml. Pictures that
// lie in folder/images stay what they are.
std::unique_ptr<Sink> MakeYoloSink(const std::filesystem::path& folder,
                                   const std::filesystem::path& work_folder,
                                   const ClassNames& classes = {});

// Tasks with predictions, as Label Studio imports them. With a prefix, data.image is that and the
// picture's path, escaped as addresses are: "/data/local-files/?d=" or "https://host/folder/".
std::unique_ptr<Sink> MakeLabelStudioSink(const std::filesystem::path& path,
                                          const std::string& prefix);

// Regions as PNG files of the picture's size: folder/NAME.TASK.NUMBER.png, white on black, for each
// region, or folder/NAME.TASK.png with the regions' numbers from 1 (16 bits if there are over 255).
enum class MaskLayout { kRegions, kIndexed };
std::unique_ptr<Sink> MakeMaskSink(const std::filesystem::path& folder, MaskLayout layout,
                                   const std::vector<Task>& tasks);

// A .txt with the answers: beside the picture, or in `folder` if that is not empty.
struct SidecarOptions {
  std::filesystem::path folder;
  std::string prefix, suffix;  // of each line
};
std::unique_ptr<Sink> MakeSidecarSink(const SidecarOptions& options);

// Annotated pictures, folder/NAME.TASK.png or .jpg.
// `tasks` are those that will be asked, to know the names beforehand.
std::unique_ptr<Sink> MakeDrawingSink(const std::filesystem::path& folder,
                                      const std::vector<std::optional<Task>>& tasks);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_SINK_H_
