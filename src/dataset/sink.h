#ifndef UFFIZI_DATASET_SINK_H_
#define UFFIZI_DATASET_SINK_H_

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "dataset/append_file.h"
#include "dataset/record.h"

namespace uffizi::dataset {

// A form in which answers are kept. The job calls Begin, then Prepare and Add for every picture,
// then Finish. It may be killed at any instant and go on later: files() are then cut back to their
// lengths at the last checkpoint, and the pictures since then come again; so files of single
// pictures are written whole, and the same picture gives the same file. Errors are thrown as
// Error(kIo).
class Sink {
 public:
  virtual ~Sink() = default;

  // "coco /data/out.json": tells one job from another.
  virtual std::string description() const = 0;

  // The files that grow with the job. Opened by the job, before Begin.
  virtual std::vector<AppendFile*> files() { return {}; }

  // Before the first picture. The files hold what earlier runs of this job wrote.
  virtual void Begin() {}

  // A picture that an earlier run of this job has dealt with, in their order.
  virtual void Skip(const Record&) {}

  // Work that needs no order, on any thread and for several pictures at a time. `image` is empty
  // unless wants_pixels().
  virtual void Prepare(const Record&, const Image&) const {}
  virtual bool wants_pixels() const { return false; }

  // The next picture. One thread at a time, in the order of the collection.
  virtual void Add(const Record&) {}

  // After the last picture. May be called again, if the job was killed meanwhile, with the files
  // cut back to what they were before.
  virtual void Finish() {}
};

// The sinks. Paths may be empty for standard output where a single file is written.

enum class JsonLayout { kLines, kList };
std::unique_ptr<Sink> MakeJsonSink(const std::filesystem::path& path, JsonLayout layout);

// A row for each region, or for each answer without regions. See docs/collections.md.
std::unique_ptr<Sink> MakeCsvSink(const std::filesystem::path& path);

// COCO detection and segmentation. `work_folder` holds what must wait until the pictures' list is
// complete.
std::unique_ptr<Sink> MakeCocoSink(const std::filesystem::path& path,
                                   const std::filesystem::path& work_folder);

// folder/labels/NAME.txt, folder/images/NAME.EXT (links), classes.txt and data.yaml.
std::unique_ptr<Sink> MakeYoloSink(const std::filesystem::path& folder);

// Tasks with predictions, as Label Studio imports them.
std::unique_ptr<Sink> MakeLabelStudioSink(const std::filesystem::path& path);

// A .txt with the answers: beside the picture, or in `folder` if that is not empty.
std::unique_ptr<Sink> MakeSidecarSink(const std::filesystem::path& folder);

// Annotated pictures, folder/NAME.TASK.png or .jpg.
std::unique_ptr<Sink> MakeDrawingSink(const std::filesystem::path& folder);

}  // namespace uffizi::dataset

#endif  // UFFIZI_DATASET_SINK_H_
