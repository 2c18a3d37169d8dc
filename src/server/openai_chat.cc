#include <ctime>

#include "core/json_writer.h"
#include "server/annotate_response.h"
#include "server/growing_text.h"
#include "server/openai.h"
#include "server/problem.h"
#include "tasks/result_json.h"

namespace uffizi::server {
namespace {

// The fields that all pieces of one answer share.
struct Identity {
  std::string id;
  int64_t created;
  std::string model;
};

const char* FinishReason(const Result& result) { return result.truncated ? "length" : "stop"; }

// `{"id": ..., "object": ..., "created": ..., "model": ...`, open for more.
std::string OpenObject(const Identity& chat, const char* object) {
  std::string out = "{\"id\": \"" + chat.id + "\", \"object\": \"" + object +
                    "\", \"created\": " + std::to_string(chat.created) + ", \"model\": ";
  AppendJsonString(chat.model, out);
  return out;
}

std::string Usage(size_t prompt, size_t completion) {
  return "{\"prompt_tokens\": " + std::to_string(prompt) +
         ", \"completion_tokens\": " + std::to_string(completion) +
         ", \"total_tokens\": " + std::to_string(prompt + completion) + "}";
}

// One chunk of a stream; `delta` is a JSON object.
std::string Chunk(const Identity& chat, const std::string& delta, const char* finish_reason) {
  std::string finish = "null";
  if (finish_reason != nullptr) finish = std::string("\"") + finish_reason + "\"";
  return ServerSentEvent("", OpenObject(chat, "chat.completion.chunk") +
                                 ", \"choices\": [{\"index\": 0, \"delta\": " + delta +
                                 ", \"logprobs\": null, \"finish_reason\": " + finish + "}]}");
}

// Writes an answer as chunks.
class ChunkWriter {
 public:
  ChunkWriter(Identity chat, OpenAiRequest request, std::shared_ptr<WaitingJob> waiting)
      : chat_(std::move(chat)),
        request_(std::move(request)),
        waiting_(std::move(waiting)),
        text_(waiting_->job().request.questions.front(), request_.form.has_value()) {}

  std::string Write(const Job::News& news) {
    std::string chunks;
    if (!begun_) chunks = Chunk(chat_, R"({"role": "assistant", "content": ""})", nullptr);
    begun_ = true;
    chunks += ContentChunk(text_.Take(news));
    if (news.ended) chunks += End();
    return chunks.empty() ? ": waiting\n\n" : chunks;
  }

 private:
  std::string ContentChunk(const std::string& text) const {
    if (text.empty()) return "";
    std::string delta = "{\"content\": ";
    AppendJsonString(text, delta);
    return Chunk(chat_, delta + "}", nullptr);
  }

  std::string End() {
    try {
      const Answered answered = waiting_->job().Take();
      const Result& result = answered.results.front();
      std::string chunks = ContentChunk(text_.TakeRest(ContentOf(request_, result)));
      chunks += Chunk(chat_, "{}", FinishReason(result));
      if (request_.include_usage) {
        const auto prompt = static_cast<size_t>(answered.input_tokens.front());
        chunks += ServerSentEvent("", OpenObject(chat_, "chat.completion.chunk") +
                                          ", \"choices\": [], \"usage\": " +
                                          Usage(prompt, result.token_ids.size()) + "}");
      }
      return chunks + ServerSentEvent("", "[DONE]");
    } catch (const std::exception& error) {
      return ServerSentEvent("", ProblemToOpenAiJson(ToProblem(error)));
    }
  }

  const Identity chat_;
  const OpenAiRequest request_;
  const std::shared_ptr<WaitingJob> waiting_;
  GrowingText text_;
  bool begun_ = false;
};

// A choice for each picture, and one record or a list of them.
HttpResponse WholeChat(const Identity& chat, const OpenAiRequest& request,
                       const std::vector<std::shared_ptr<WaitingJob>>& jobs) {
  std::string choices, records;
  size_t prompt = 0, completion = 0;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const Answered answered = jobs[i]->WaitForEnd();
    const Result& result = answered.results.front();
    if (i > 0) choices += ", ";
    choices += "{\"index\": " + std::to_string(i);
    choices += ", \"message\": {\"role\": \"assistant\", \"content\": ";
    AppendJsonString(ContentOf(request, result), choices);
    choices += ", \"refusal\": null}, \"logprobs\": null, \"finish_reason\": \"";
    choices += FinishReason(result);
    choices += "\"}";
    if (i > 0) records += ", ";
    records += ResultToJson(jobs[i]->job().request.image_name, result);
    prompt += static_cast<size_t>(answered.input_tokens.front());
    completion += result.token_ids.size();
  }
  if (jobs.size() > 1) records = "[" + records + "]";
  return {.body = OpenObject(chat, "chat.completion") + ", \"choices\": [" + choices +
                  "], \"usage\": " + Usage(prompt, completion) + ", \"uffizi\": " + records + "}"};
}

}  // namespace

HttpResponse AnswerChat(const Door& door, HttpRequest& http) {
  OpenAiRequest request = ReadChatRequest(http, door);
  if (request.stream && request.images.size() > 1) {
    throw Problem(422, "unsupported", "a stream is of one picture; leave stream or all but one");
  }
  std::vector<std::shared_ptr<WaitingJob>> jobs;
  const size_t pictures = request.images.size();
  for (ImageFile& image : request.images) {
    jobs.push_back(Submit(door.models, http, ToAnnotate(request, std::move(image)), pictures));
  }
  Identity chat{NewId("chatcmpl-"), std::time(nullptr), jobs.front()->model().name};
  if (!request.stream) return WholeChat(chat, request, jobs);
  auto writer = std::make_shared<ChunkWriter>(std::move(chat), std::move(request), jobs.front());
  return StreamEvents(jobs.front(),
                      [writer](const Job::News& news) { return writer->Write(news); });
}

}  // namespace uffizi::server
