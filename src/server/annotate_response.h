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

// {"model", "queue_seconds", "results": [a record as written by the command line, ...]}
std::string AnnotationToJson(std::string_view model, std::string_view image,
                             const Answered& answered);

// Server-sent events: "progress" {"stage", "ahead"} before the first word, "text" {"question",
// "text"} while an answer grows, "result" with a record for each question, and last "done"
// {"model", "queue_seconds"} or "error" with a problem. Throws what StreamEvents throws.
HttpResponse StreamAnnotation(std::string model, std::shared_ptr<WaitingJob> waiting);

// A response of server-sent events, which `write` makes from each piece of news. With `stages`,
// changes of the stage are news too, after the first second. Throws errors that occur before the
// response begins, so that they get an HTTP status of their own.
HttpResponse StreamEvents(std::shared_ptr<WaitingJob> waiting,
                          std::function<std::string(const Job::News&)> write, bool stages = false);

// One server-sent event, without a name if `name` is empty. `data` must not contain line breaks.
std::string ServerSentEvent(std::string_view name, std::string_view data);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_ANNOTATE_RESPONSE_H_
