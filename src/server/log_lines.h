#ifndef UFFIZI_SERVER_LOG_LINES_H_
#define UFFIZI_SERVER_LOG_LINES_H_

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

namespace uffizi::server {

// Writes lines to a file or a pipe on a separate thread, so that logging never waits and never
// fails. Lines that cannot be written in time are dropped and counted.
class LogLines {
 public:
  // Appends to the file at `path`, which is created if necessary; "-" is standard output. Throws
  // Error(kIo).
  explicit LogLines(const std::string& path);
  // Writes to an open descriptor.
  explicit LogLines(int descriptor);
  // Writes the remaining lines, but does not wait long for a pipe that nobody reads.
  ~LogLines();
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  void Add(std::string line) noexcept;
  // Reopens the file by name, for log rotation.
  void Reopen();

 private:
  void Open();
  void Work();
  bool Write(const std::string& line);

  const std::string path_;
  int descriptor_ = -1;  // owned by the writer thread once it runs
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<std::string> lines_;
  size_t dropped_ = 0;
  bool reopen_ = false;
  std::atomic<bool> stopping_ = false;
  std::thread writer_;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_LOG_LINES_H_
