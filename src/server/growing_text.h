#ifndef UFFIZI_SERVER_GROWING_TEXT_H_
#define UFFIZI_SERVER_GROWING_TEXT_H_

#include <string>
#include <string_view>

#include "server/job.h"
#include "uffizi/task.h"

namespace uffizi::server {

// The answer to a job's only question, as sent by streams in pieces. Text that can only grow is
// sent as it is generated. Text that a search may still change, and anything that is not text, is
// sent when it is complete.
class GrowingText {
 public:
  // `whole_only`: nothing is sent before the end.
  GrowingText(const Question& question, bool whole_only);

  // The part of the news that can be sent and has not been.
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
