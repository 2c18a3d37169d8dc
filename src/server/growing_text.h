#ifndef UFFIZI_SERVER_GROWING_TEXT_H_
#define UFFIZI_SERVER_GROWING_TEXT_H_

#include <string>
#include <string_view>

#include "server/job.h"
#include "uffizi/task.h"

namespace uffizi::server {

// The answer to a job's only question as streams send it: piece after piece. Text that can only
// grow goes out as it comes; what a search may still change, and what is no text, when it is done.
class GrowingText {
 public:
  // `whole_only`: nothing goes out before the end.
  GrowingText(const Question& question, bool whole_only);

  // What can be sent of the news, and was not.
  std::string Take(const Job::News& news);
  // The rest of the whole answer.
  std::string TakeRest(std::string_view content) { return Grow(content, /*whole=*/true); }

 private:
  std::string Grow(std::string_view content, bool whole);

  const Task task_;
  const bool whole_only_;
  std::string sent_;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_GROWING_TEXT_H_
