#ifndef UFFIZI_SERVER_OPENAI_H_
#define UFFIZI_SERVER_OPENAI_H_

#include <cstdint>
#include <memory>
#include <string>

#include "server/annotate_request.h"
#include "server/http.h"
#include "server/waiting_job.h"

namespace uffizi::server {

// OpenAI's chat completions: the last user message asks, about the last picture of the
// conversation. docs/server.md says what is taken of the protocol; the rest is refused.
struct ChatRequest {
  AnnotateRequest annotate;
  bool include_usage = false;  // at the end of a stream
};

// Reads a body of POST /v1/chat/completions. Throws Problem and Error, whose messages name the
// field; Problem(404) if another model is asked for.
ChatRequest ReadChatRequest(HttpRequest& request, const std::string& model,
                            const RequestLimits& limits);

// What all pieces of one answer say of it.
struct ChatIdentity {
  std::string id;  // "chatcmpl-..."
  int64_t created;
  std::string model;
};
ChatIdentity NewChat(const std::string& model);

// The whole answer: waits for it.
HttpResponse ChatCompletion(const ChatIdentity& chat, WaitingJob& waiting);

// The answer as server-sent chunks. Throws what went wrong if that is known before it begins.
HttpResponse StreamChatCompletion(ChatIdentity chat, bool include_usage,
                                  std::shared_ptr<WaitingJob> waiting);

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_OPENAI_H_
