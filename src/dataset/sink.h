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

// An output format for answers. The job calls Use() and Begin(), then Prepare() and Add() for every
// picture, then Finish(). It may be killed at any time and resumed later. Then files() are
// truncated to their lengths at the last checkpoint, and later pictures are added again. So
// per-picture files are written completely, and the same picture gives the same file. Files that
// exist and were not made by the job are kept unless `existing` says otherwise. Errors are thrown
// as Error(kIo), and kInvalidArgument if something is in the way.
class Sink {
 public:
  virtual ~Sink() = default;

  // Identifies the output of a job: "coco /data/out.json".
  virtual std::string description() const = 0;

  // Called first, with the job's files and what to do with other existing files. May be called
  // again.
  virtual void Use(JobFiles& files, std::optional<Existing> existing) {
    job_files_ = &files;
    existing_ = existing.value_or(usual_existing());
  }

  // The files that grow with the job, which opens them before Begin().
  virtual std::vector<AppendFile*> files() { return {}; }

  // Outputs that prevent the whole job: they exist, were not made by it, and may not be replaced.
  virtual std::vector<std::filesystem::path> InTheWay();

  // The per-picture files for this record, as far as they are known in advance.
  virtual std::vector<std::filesystem::path> FilesOf(const Record&) const { return {}; }

  // Those of them that exist, were not made by the job, and may be neither kept nor replaced.
  virtual std::vector<std::filesystem::path> InTheWayOf(const Record& record) const;

  // Whether an answer for this picture that this job did not make already exists.
  virtual bool Has(const Record& record) const;

  // Whether existing answers are kept unchanged.
  virtual bool Keeps() const { return existing_ == Existing::kKeep; }

  // Called before the first picture. The files contain the output of earlier runs of this job.
  virtual void Begin() {}

  // Work that is independent of the order, on any thread and for several pictures at once. `image`
  // is empty unless wants_pixels().
  virtual void Prepare(const Record&, const Image&) const {}
  virtual bool wants_pixels() const { return false; }

  // Adds the next picture. Called by one thread at a time, in the order of the collection.
  virtual void Add(const Record&) {}

  // Called now and then, before the journal records the progress.
  virtual void Checkpoint() {}

  // Called after the last picture. If the job is killed meanwhile, it is called again, with the
  // files truncated to their previous lengths.
  virtual void Finish() {}

  Existing existing() const { return existing_; }
  size_t kept() const { return kept_; }         // files that were kept, in this run
  virtual size_t outside() const { return 0; }  // regions dropped by this sink, in this run

 protected:
  virtual Existing usual_existing() const { return Existing::kRefuse; }

  // Writes a per-picture file, unless an existing file is kept.
  void WritePictureFile(const std::filesystem::path& path, std::string_view bytes) const;
  JobFiles& job_files() const { return *job_files_; }
  void CountKept() const { ++kept_; }

 private:
  JobFiles* job_files_ = nullptr;
  Existing existing_ = Existing::kRefuse;
  mutable std::atomic<size_t> kept_ = 0;
};

// The sinks. For sinks with a single file, an empty path is standard output.

enum class JsonLayout { kLines, kList };
std::unique_ptr<Sink> MakeJsonSink(const std::filesystem::path& path, JsonLayout layout);

// A row for each region, or for each answer without regions. See docs/collections.md.
std::unique_ptr<Sink> MakeCsvSink(const std::filesystem::path& path);

// COCO detection and segmentation. `work_folder` is for data that must wait until the list of
// pictures is complete.
std::unique_ptr<Sink> MakeCocoSink(const std::filesystem::path& path,
                                   const std::filesystem::path& work_folder,
                                   const ClassNames& classes = {});

// folder/labels/NAME.txt, folder/images/NAME.EXT (links), classes.txt and data.yaml. Pictures in
// folder/images are not changed.
std::unique_ptr<Sink> MakeYoloSink(const std::filesystem::path& folder,
                                   const std::filesystem::path& work_folder,
                                   const ClassNames& classes = {});

// Tasks with predictions, ready to import into Label Studio. With a prefix, data.image is the
// prefix followed by the picture's URL-escaped path: "/data/local-files/?d=" or
// "https://host/folder/".
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
// `tasks` are the tasks that will be asked, from which the file names follow.
std::unique_ptr<Sink> MakeDrawingSink(const std::filesystem::path& folder,
                                      const std::vector<std::optional<Task>>& tasks);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_SINK_H_
