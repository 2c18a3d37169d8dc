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

// An object with these fields, open for more.
JsonWriter OpenObject(const Identity& chat, const char* object) {
  JsonWriter json;
  json.Object().Member("id", chat.id).Member("object", object);
  json.Member("created", chat.created).Member("model", chat.model);
  return json;
}

void AddUsage(size_t prompt, size_t completion, JsonWriter& json) {
  json.Key("usage").Object().Member("prompt_tokens", prompt);
  json.Member("completion_tokens", completion).Member("total_tokens", prompt + completion).End();
}

// One chunk of a stream; `delta` is a JSON object.
std::string Chunk(const Identity& chat, const std::string& delta, const char* finish_reason) {
  JsonWriter json = OpenObject(chat, "chat.completion.chunk");
  json.Key("choices").List().Object().Member("index", 0).Key("delta").Raw(delta);
  json.Key("logprobs").Null().Key("finish_reason");
  if (finish_reason != nullptr) {
    json.Value(finish_reason);
  } else {
    json.Null();
  }
  return ServerSentEvent("", json.End().End().End().text());
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
    JsonWriter delta;
    delta.Object().Member("content", text).End();
    return Chunk(chat_, delta.text(), nullptr);
  }

  std::string End() {
    try {
      const Answered answered = waiting_->job().Take();
      const Result& result = answered.results.front();
      std::string chunks = ContentChunk(text_.TakeRest(ContentOf(request_, result)));
      chunks += Chunk(chat_, "{}", FinishReason(result));
      if (request_.include_usage) {
        const auto prompt = static_cast<size_t>(answered.input_tokens.front());
        JsonWriter usage = OpenObject(chat_, "chat.completion.chunk");
        usage.Key("choices").List().End();
        AddUsage(prompt, result.token_ids.size(), usage);
        chunks += ServerSentEvent("", usage.End().text());
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
  JsonWriter json = OpenObject(chat, "chat.completion");
  json.Key("choices").List();
  std::vector<std::string> records;
  size_t prompt = 0, completion = 0;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const Answered answered = jobs[i]->WaitForEnd();
    const Result& result = answered.results.front();
    json.Object().Member("index", i).Key("message").Object().Member("role", "assistant");
    json.Member("content", ContentOf(request, result)).Key("refusal").Null().End();
    json.Key("logprobs").Null().Member("finish_reason", FinishReason(result)).End();
    records.push_back(ResultToJson(jobs[i]->job().request.image_name, result));
    prompt += static_cast<size_t>(answered.input_tokens.front());
    completion += result.token_ids.size();
  }
  json.End();
  AddUsage(prompt, completion, json);
  json.Key("uffizi");
  if (records.size() > 1) json.List();
  for (const std::string& record : records) json.Raw(record);
  if (records.size() > 1) json.End();
  return {.body = json.End().Take()};
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
