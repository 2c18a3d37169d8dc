#ifndef UFFIZI_SERVER_LOG_LINES_H_
#define UFFIZI_SERVER_LOG_LINES_H_

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

namespace uffizi::server {

// Lines for a file or a pipe, written by a thread of their own: whoever logs never waits and never
// fails. What cannot be written in time is dropped, and counted.
class LogLines {
 public:
  // Appends to the file at `path`, made if it is not there; "-" is standard output. Throws
  // Error(kIo).
  explicit LogLines(const std::string& path);
  // Writes to an open descriptor.
  explicit LogLines(int descriptor);
  // Writes what waits, but does not wait long for a pipe that nobody reads.
  ~LogLines();
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  void Add(std::string line) noexcept;
  // Opens the file by its name again, after somebody has moved it away.
  void Reopen();

 private:
  void Open();
  void Work();
  bool Write(const std::string& line);

  const std::string path_;
  int descriptor_ = -1;  // the writer's, once it runs
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
