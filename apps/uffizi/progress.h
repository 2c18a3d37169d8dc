#ifndef UFFIZI_APPS_PROGRESS_H_
#define UFFIZI_APPS_PROGRESS_H_

#include <chrono>
#include <optional>

#include "dataset/job.h"

namespace uffizi::cli {

// How far a job is, on standard error: a bar on a terminal, a line every ten seconds in a log.
class ProgressDisplay {
 public:
  enum class Style { kNone, kBar, kLines };

  ProgressDisplay(std::optional<size_t> total, Style style) : total_(total), style_(style) {}
  ~ProgressDisplay();

  void Show(const JobProgress& progress);

 private:
  std::string Text(const JobProgress& progress) const;

  std::optional<size_t> total_;
  Style style_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_PROGRESS_H_
