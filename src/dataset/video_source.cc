// Frames of videos, decoded by the ffmpeg command.
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstring>

#include "dataset/pages.h"
#include "dataset/ppm_stream.h"

extern char** environ;

namespace uffizi::dataset {
namespace {

namespace fs = std::filesystem;

// A running ffmpeg process whose standard output we read; it is ended with this object.
class Ffmpeg {
 public:
  explicit Ffmpeg(const std::vector<std::string>& arguments) {
    int ends[2];
    messages_ = memfd_create("ffmpeg", MFD_CLOEXEC);
    if (messages_ < 0 || pipe2(ends, O_CLOEXEC) != 0) {
      throw Error(ErrorCode::kIo, std::string("ffmpeg cannot be started: ") + std::strerror(errno));
    }
    output_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, messages_, STDERR_FILENO);
    std::vector<char*> argv;
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    const int error = posix_spawnp(&process_, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (error != 0) {
      process_ = -1;
      throw Error(ErrorCode::kUnsupported,
                  "video frames are extracted with the command ffmpeg, which cannot be started: " +
                      std::string(std::strerror(error)));
    }
  }
  ~Ffmpeg() {
    if (output_ >= 0) close(output_);
    if (process_ > 0) {
      kill(process_, SIGKILL);
      Wait();
    }
    if (messages_ >= 0) close(messages_);
  }
  Ffmpeg(const Ffmpeg&) = delete;
  Ffmpeg& operator=(const Ffmpeg&) = delete;

  // Up to `size` bytes; fewer only at the end.
  size_t Read(char* out, size_t size) {
    size_t done = 0;
    while (done < size) {
      const ssize_t got = read(output_, out + done, size - done);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  // Call this after the last byte: returns what went wrong, or "".
  std::string Conclude() {
    const int status = Wait();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
    char text[512] = {};
    const ssize_t got = pread(messages_, text, sizeof(text) - 1, 0);
    std::string message(text, static_cast<size_t>(std::max<ssize_t>(0, got)));
    message = message.substr(0, message.find('\n'));
    return message.empty() ? "it ended with an error" : message;
  }

 private:
  int Wait() {
    int status = 0;
    while (waitpid(process_, &status, 0) < 0 && errno == EINTR) {
    }
    process_ = -1;
    return status;
  }

  pid_t process_ = -1;
  int output_ = -1, messages_ = -1;
};

std::string Number(double number) {
  char buffer[64];
  return {buffer, std::to_chars(buffer, buffer + sizeof(buffer), number).ptr};
}

class Video : public Source {
 public:
  Video(const PictureRef& video, const PageSelection& pages, size_t max_pixels)
      : video_(video), pages_(pages), max_pixels_(max_pixels) {}

  bool Next(PictureRef& picture) override {
    if (ended_) return false;
    try {
      if (!ffmpeg_) ffmpeg_.emplace(Arguments());
      while (ReadFrame()) {
        ++frames_;
        if (!Wanted()) continue;
        ++given_;
        picture = Frame();
        if (pages_.first_only() || PastLast()) ended_ = true;
        return true;
      }
      ended_ = true;
      const std::string problem = ffmpeg_->Conclude();
      if (problem.empty() && given_ > 0) return false;
      throw Error(ErrorCode::kInvalidImage,
                  "ffmpeg: " + (problem.empty() ? "no frame in it" : problem));
    } catch (const Error& error) {
      ended_ = true;
      picture = video_;
      picture.error = Error(error.code(), video_.name + ": " + error.what());
      return true;
    }
  }

  std::string Read(size_t max_bytes) override {
    if (frame_.size() > max_bytes) {
      throw Error(ErrorCode::kImageTooLarge,
                  video_.name + ": a frame of " + std::to_string(frame_.size()) + " bytes");
    }
    return std::move(frame_);
  }

 private:
  std::vector<std::string> Arguments() const {
    // Prevents a file from making ffmpeg open other files or addresses.
    std::vector<std::string> arguments = {"ffmpeg",
                                          "-nostdin",
                                          "-v",
                                          "error",
                                          "-protocol_whitelist",
                                          "file,pipe",
                                          "-i",
                                          "file:" + fs::absolute(video_.file).string()};
    if (pages_.every > 0) {
      arguments.insert(arguments.end(), {"-vf", "fps=1/" + Number(pages_.every) + ":round=up"});
    } else {
      arguments.insert(arguments.end(), {"-fps_mode", "passthrough"});
      if (pages_.first_only()) arguments.insert(arguments.end(), {"-frames:v", "1"});
    }
    arguments.insert(arguments.end(),
                     {"-an", "-sn", "-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"});
    return arguments;
  }

  // False at the end.
  bool ReadFrame() {
    frame_ =
        NextPpm([this](char* out, size_t size) { return ffmpeg_->Read(out, size); }, max_pixels_);
    return !frame_.empty();
  }

  bool Wanted() const { return pages_.ranges.empty() || pages_.Contains(frames_); }

  bool PastLast() const {
    return !pages_.ranges.empty() &&
           std::all_of(pages_.ranges.begin(), pages_.ranges.end(),
                       [this](const auto& range) { return frames_ >= range.second; });
  }

  PictureRef Frame() const {
    PictureRef picture = video_;
    picture.file.clear();
    picture.page = frames_;
    picture.stem += '-';
    picture.stem += std::to_string(frames_);
    if (pages_.every > 0) {
      picture.seconds = static_cast<double>(frames_ - 1) * pages_.every;
      picture.name.append("#t=").append(Number(std::round(*picture.seconds * 1000) / 1000));
    } else {
      picture.name.append("#frame=").append(std::to_string(frames_));
    }
    return picture;
  }

  PictureRef video_;
  PageSelection pages_;
  size_t max_pixels_;
  std::optional<Ffmpeg> ffmpeg_;
  std::string frame_;
  size_t frames_ = 0, given_ = 0;
  bool ended_ = false;
};

}  // namespace

bool IsVideo(const fs::path& path) {
  static constexpr std::array kExtensions = {".mp4", ".m4v", ".mov",  ".mkv",  ".webm", ".avi",
                                             ".mpg", ".ts",  ".mpeg", ".m2ts", ".wmv",  ".3gp"};
  std::string extension = path.extension().string();
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

std::unique_ptr<Source> OpenVideo(const PictureRef& video, const PageSelection& pages,
                                  size_t max_pixels) {
  return std::make_unique<Video>(video, pages, max_pixels);
}

}  // namespace uffizi::dataset
