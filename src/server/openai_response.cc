#include <ctime>
#include <random>

#include "core/json_writer.h"
#include "server/annotate_response.h"
#include "server/openai.h"
#include "server/problem.h"
#include "tasks/result_json.h"
#include "uffizi/task.h"

namespace uffizi::server {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// What the assistant says: text, or the regions as JSON.
std::string Content(const Answer& answer) {
  return answer.shape == AnswerShape::kText ? answer.text : AnswerToJson(answer);
}

const char* FinishReason(const Result& result) { return result.truncated ? "length" : "stop"; }

// `{"id": ..., "object": ..., "created": ..., "model": ...`, open for more.
std::string OpenObject(const ChatIdentity& chat, const char* object) {
  std::string out = "{\"id\": \"" + chat.id + "\", \"object\": \"" + object +
                    "\", \"created\": " + std::to_string(chat.created) + ", \"model\": ";
  AppendJsonString(chat.model, out);
  return out;
}

std::string Usage(const Answered& answered) {
  const int prompt = answered.input_tokens.front();
  const auto completion = static_cast<int>(answered.results.front().token_ids.size());
  return "{\"prompt_tokens\": " + std::to_string(prompt) +
         ", \"completion_tokens\": " + std::to_string(completion) +
         ", \"total_tokens\": " + std::to_string(prompt + completion) + "}";
}

// One chunk of a stream; `delta` is a JSON object.
std::string Chunk(const ChatIdentity& chat, const std::string& delta, const char* finish_reason) {
  std::string finish = "null";
  if (finish_reason != nullptr) finish = std::string("\"") + finish_reason + "\"";
  return ServerSentEvent("", OpenObject(chat, "chat.completion.chunk") +
                                 ", \"choices\": [{\"index\": 0, \"delta\": " + delta +
                                 ", \"logprobs\": null, \"finish_reason\": " + finish + "}]}");
}

std::string ContentDelta(std::string_view text) {
  std::string delta = "{\"content\": ";
  AppendJsonString(text, delta);
  return delta + "}";
}

// Writes an answer as chunks. Text that can only grow goes out as it comes; what a search may still
// change, and regions, which are JSON, when they are done.
class ChunkWriter {
 public:
  ChunkWriter(ChatIdentity chat, bool include_usage, std::shared_ptr<WaitingJob> waiting)
      : chat_(std::move(chat)),
        include_usage_(include_usage),
        waiting_(std::move(waiting)),
        task_(PromptsOf(waiting_->job().request.questions.front(), {}, 1000, 1000).front().task) {}

  WaitingJob& waiting() { return *waiting_; }

  std::string Write(const Job::News& news) {
    std::string chunks;
    if (!begun_) chunks = Chunk(chat_, R"({"role": "assistant", "content": ""})", nullptr);
    begun_ = true;
    for (const Job::Text& text : news.texts) {
      if (text.only_grows && GetTaskInfo(task_).shape == AnswerShape::kText) {
        chunks += Grow(ParseAnswer(task_, text.text, 0, 0).text, /*whole=*/false);
      }
    }
    if (news.ended) chunks += End();
    return chunks.empty() ? ": waiting\n\n" : chunks;
  }

 private:
  // The part of `content` that was not sent yet.
  std::string Grow(std::string_view content, bool whole) {
    // A character whose bytes have not all come is a replacement until then.
    while (!whole && content.ends_with(kReplacement)) content.remove_suffix(kReplacement.size());
    if (!content.starts_with(sent_) || content.size() == sent_.size()) return "";
    std::string chunk = Chunk(chat_, ContentDelta(content.substr(sent_.size())), nullptr);
    sent_ = content;
    return chunk;
  }

  std::string End() {
    try {
      const Answered answered = waiting_->job().Take();
      const Result& result = answered.results.front();
      std::string chunks = Grow(Content(result.answer), /*whole=*/true);
      chunks += Chunk(chat_, "{}", FinishReason(result));
      if (include_usage_) {
        chunks += ServerSentEvent("", OpenObject(chat_, "chat.completion.chunk") +
                                          ", \"choices\": [], \"usage\": " + Usage(answered) + "}");
      }
      return chunks + ServerSentEvent("", "[DONE]");
    } catch (const std::exception& error) {
      return ServerSentEvent("", ProblemToOpenAiJson(ToProblem(error)));
    }
  }

  const ChatIdentity chat_;
  const bool include_usage_;
  const std::shared_ptr<WaitingJob> waiting_;
  const Task task_;
  std::string sent_;
  bool begun_ = false;
};

}  // namespace

ChatIdentity NewChat(const std::string& model) {
  std::random_device random;
  std::string id = "chatcmpl-";
  for (int i = 0; i < 24; ++i) id += "0123456789abcdef"[random() % 16];
  return {id, std::time(nullptr), model};
}

HttpResponse ChatCompletion(const ChatIdentity& chat, WaitingJob& waiting) {
  const Answered answered = waiting.WaitForEnd();
  const Result& result = answered.results.front();
  std::string out = OpenObject(chat, "chat.completion");
  out += ", \"choices\": [{\"index\": 0, \"message\": {\"role\": \"assistant\", \"content\": ";
  AppendJsonString(Content(result.answer), out);
  out += ", \"refusal\": null}, \"logprobs\": null, \"finish_reason\": \"";
  out += FinishReason(result);
  out += "\"}], \"usage\": " + Usage(answered) + ", \"uffizi\": ";
  out += ResultToJson(waiting.job().request.image_name, result);
  return {.body = out + "}"};
}

HttpResponse StreamChatCompletion(ChatIdentity chat, bool include_usage,
                                  std::shared_ptr<WaitingJob> waiting) {
  auto writer = std::make_shared<ChunkWriter>(std::move(chat), include_usage, waiting);
  return StreamEvents(std::move(waiting),
                      [writer](const Job::News& news) { return writer->Write(news); });
}

}  // namespace uffizi::server
