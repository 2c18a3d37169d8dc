#ifndef UFFIZI_APPS_PROGRESS_H_
#define UFFIZI_APPS_PROGRESS_H_

#include <chrono>
#include <optional>
#include <string>

#include "dataset/job.h"

namespace uffizi::cli {

// How far something is, on standard error: a bar on a terminal, a line every ten seconds in a log.
class StatusLine {
 public:
  enum class Style { kNone, kBar, kLines };
  // Of a command that writes its report only in the end.
  static Style StyleFor(bool quiet);

  explicit StatusLine(Style style) : style_(style) {}
  ~StatusLine();
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  // Whether it is time to show something again.
  bool Due() const;
  // share: of the bar that is full, 0..1, if that is known
  void Show(std::string text, std::optional<double> share);
  // Takes the bar off the terminal.
  void Clear();

 private:
  Style style_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// How far a job is.
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
