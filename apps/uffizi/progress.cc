#include "progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "say.h"

namespace uffizi::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBarInterval{100};
constexpr std::chrono::seconds kLineInterval{10};

// "2 h 05 min", "3 min 20 s", "8 s".
std::string FormatDuration(double seconds) {
  const auto whole = static_cast<long>(std::ceil(std::max(0.0, seconds)));
  if (whole >= 3600) return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
  if (whole >= 60) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} s", whole);
}

size_t TerminalWidth() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string Bar(double share, size_t width) {
  const auto full = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width));
  return fmt::format("[{:#<{}}{:.<{}}] ", "", full, "", width - full);
}

}  // namespace

StatusLine::Style StatusLine::StyleFor(bool quiet) {
  if (quiet) return Style::kNone;
  return isatty(STDERR_FILENO) != 0 ? Style::kBar : Style::kLines;
}

StatusLine::~StatusLine() { Clear(); }

void StatusLine::Clear() {
  if (std::exchange(shown_, false) && style_ == Style::kBar) Say("\r\033[K");
}

bool StatusLine::Due() const {
  if (style_ == Style::kNone) return false;
  return Clock::now() - last_ >=
         (style_ == Style::kBar ? Clock::duration(kBarInterval) : Clock::duration(kLineInterval));
}

void StatusLine::Show(std::string text, std::optional<double> share) {
  last_ = Clock::now();
  shown_ = true;
  if (style_ == Style::kLines) {
    Say("uffizi: {}\n", text);
    return;
  }
  const size_t width = TerminalWidth();
  if (share && width > text.size() + 14) {
    text = Bar(*share, std::min<size_t>(30, width - text.size() - 4)) + text;
  }
  Say("\r\033[K{}", text.substr(0, width - 1));
}

std::string ProgressDisplay::Text(const dataset::JobProgress& progress) const {
  const size_t now = progress.done - progress.before;
  const double rate = static_cast<double>(now) / std::max(progress.seconds, 1e-3);
  std::string text = total_ ? fmt::format("{} of {} pictures", progress.done, *total_)
                            : fmt::format("{} pictures", progress.done);
  text += fmt::format(", {:.{}f} per second", rate, rate < 10 ? 2 : 1);
  if (total_ && now > 0 && *total_ >= progress.done) {
    text += ", " + FormatDuration(static_cast<double>(*total_ - progress.done) / rate) + " left";
  }
  if (progress.failed > 0) text += fmt::format(", {} failed", progress.failed);
  return text;
}

void ProgressDisplay::Show(const dataset::JobProgress& progress) {
  if (progress.done == progress.before || !line_.Due()) return;
  std::optional<double> share;
  if (total_ && *total_ > 0) {
    share = static_cast<double>(progress.done) / static_cast<double>(*total_);
  }
  line_.Show(Text(progress), share);
}

}  // namespace uffizi::cli
