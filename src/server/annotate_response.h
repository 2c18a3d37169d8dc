#ifndef UFFIZI_SERVER_ANNOTATE_RESPONSE_H_
#define UFFIZI_SERVER_ANNOTATE_RESPONSE_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/http.h"
#include "server/job.h"
#include "server/waiting_job.h"

namespace uffizi::server {

// {"model", "queue_seconds", "results": [a record as the command line writes it, ...]}
std::string AnnotationToJson(std::string_view model, std::string_view image,
                             const Answered& answered);

// Server-sent events: "progress" {"stage", "ahead"} before the first word, "text" {"question",
// "text"} while an answer grows, "result" with a record for each question, and last "done"
// {"model", "queue_seconds"} or "error" with a problem. Throws what StreamEvents throws.
HttpResponse StreamAnnotation(std::string model, std::shared_ptr<WaitingJob> waiting);

// An answer of server-sent events, which `write` makes of each piece of news until the last; with
// `stages`, those are news, but for the first second. Throws what went wrong if that is known
// before the answer begins: it then has a status of its own.
HttpResponse StreamEvents(std::shared_ptr<WaitingJob> waiting,
                          std::function<std::string(const Job::News&)> write, bool stages = false);

// One server-sent event; without a name if that is empty. `data` has no line break.
std::string ServerSentEvent(std::string_view name, std::string_view data);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_ANNOTATE_RESPONSE_H_
