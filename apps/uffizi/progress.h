#ifndef UFFIZI_APPS_PROGRESS_H_
#define UFFIZI_APPS_PROGRESS_H_

#include <chrono>
#include <optional>
#include <string>

#include "dataset/job.h"

namespace uffizi::cli {

// Progress on standard error: a bar on a terminal, or a line every ten seconds in a log.
class StatusLine {
 public:
  enum class Style { kNone, kBar, kLines };
  // The style for a command that prints its report only at the end.
  static Style StyleFor(bool quiet);

  explicit StatusLine(Style style) : style_(style) {}
  ~StatusLine();
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  // Whether it is time to show something again.
  bool Due() const;
  // share: the filled fraction of the bar, 0..1, if known
  void Show(std::string text, std::optional<double> share);
  // Removes the bar from the terminal.
  void Clear();

 private:
  Style style_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Shows the progress of a job.
class ProgressDisplay {
 public:
  using Style = StatusLine::Style;

  ProgressDisplay(std::optional<size_t> total, Style style) : total_(total), line_(style) {}

  void Show(const dataset::JobProgress& progress);

 private:
  std::string Text(const dataset::JobProgress& progress) const;

  std::optional<size_t> total_;
  StatusLine line_;
};

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_PROGRESS_H_
