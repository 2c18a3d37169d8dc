#include <ctime>

#include "server/annotate_response.h"
#include "server/growing_text.h"
#include "server/openai.h"
#include "server/problem.h"
#include "tasks/result_json.h"

namespace uffizi::server {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

std::string Dump(const ordered_json& value) {
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

// A response object, as included in every event of a stream.
class Response {
 public:
  explicit Response(const WaitingJob& waiting) : model_(waiting.model().name) {}

  ordered_json Part(const std::string& text) const {
    return {{"type", "output_text"}, {"text", text}, {"annotations", ordered_json::array()}};
  }

  ordered_json Message(const char* status, const ordered_json& content) const {
    return {{"type", "message"},
            {"id", message_id_},
            {"status", status},
            {"role", "assistant"},
            {"content", content}};
  }

  ordered_json Whole(const char* status, const ordered_json& output) const {
    return {{"id", id_},
            {"object", "response"},
            {"created_at", created_},
            {"status", status},
            {"error", nullptr},
            {"incomplete_details", nullptr},
            {"instructions", nullptr},
            {"metadata", ordered_json::object()},
            {"model", model_},
            {"output", output},
            {"parallel_tool_calls", false},
            {"temperature", nullptr},
            {"tool_choice", "none"},
            {"tools", ordered_json::array()},
            {"top_p", nullptr},
            {"usage", nullptr}};
  }

  ordered_json Finished(const std::string& content, const Answered& answered,
                        const std::string& image) const {
    const Result& result = answered.results.front();
    const char* status = result.truncated ? "incomplete" : "completed";
    ordered_json whole =
        Whole(status, ordered_json::array({Message(status, ordered_json::array({Part(content)}))}));
    if (result.truncated) whole["incomplete_details"] = {{"reason", "max_output_tokens"}};
    const int input = answered.input_tokens.front();
    const auto output = static_cast<int>(result.token_ids.size());
    whole["usage"] = {{"input_tokens", input},
                      {"input_tokens_details", {{"cached_tokens", 0}}},
                      {"output_tokens", output},
                      {"output_tokens_details", {{"reasoning_tokens", 0}}},
                      {"total_tokens", input + output}};
    whole["uffizi"] = ordered_json::parse(ResultToJson(image, result));
    return whole;
  }

  const std::string& message_id() const { return message_id_; }

 private:
  const std::string id_ = NewId("resp_"), message_id_ = NewId("msg_");
  const int64_t created_ = std::time(nullptr);
  const std::string model_;
};

// Writes an answer as the events of the API.
class EventWriter {
 public:
  EventWriter(OpenAiRequest request, std::shared_ptr<WaitingJob> waiting)
      : request_(std::move(request)),
        waiting_(std::move(waiting)),
        response_(*waiting_),
        text_(waiting_->job().request.questions.front(), request_.form.has_value()) {}

  std::string Write(const Job::News& news) {
    std::string events;
    if (!begun_) events = Begin();
    begun_ = true;
    events += Delta(text_.Take(news));
    if (news.ended) events += End();
    return events.empty() ? ": waiting\n\n" : events;
  }

 private:
  std::string Event(const char* type, const ordered_json& more) {
    ordered_json event = {{"type", type}, {"sequence_number", number_++}};
    event.update(more);
    return ServerSentEvent(type, Dump(event));
  }

  // The position of an event in the output.
  ordered_json At(const ordered_json& more) const {
    ordered_json place = {
        {"item_id", response_.message_id()}, {"output_index", 0}, {"content_index", 0}};
    place.update(more);
    return place;
  }

  std::string Begin() {
    const ordered_json whole = response_.Whole("in_progress", ordered_json::array());
    return Event("response.created", {{"response", whole}}) +
           Event("response.in_progress", {{"response", whole}}) +
           Event("response.output_item.added",
                 {{"output_index", 0},
                  {"item", response_.Message("in_progress", ordered_json::array())}}) +
           Event("response.content_part.added", At({{"part", response_.Part("")}}));
  }

  std::string Delta(const std::string& text) {
    if (text.empty()) return "";
    return Event("response.output_text.delta",
                 At({{"delta", text}, {"logprobs", ordered_json::array()}}));
  }

  std::string End() {
    try {
      const Answered answered = waiting_->job().Take();
      const std::string content = ContentOf(request_, answered.results.front());
      const ordered_json whole =
          response_.Finished(content, answered, waiting_->job().request.image_name);
      std::string events = Delta(text_.TakeRest(content));
      events += Event("response.output_text.done",
                      At({{"text", content}, {"logprobs", ordered_json::array()}}));
      events += Event("response.content_part.done", At({{"part", response_.Part(content)}}));
      events +=
          Event("response.output_item.done", {{"output_index", 0}, {"item", whole["output"][0]}});
      const bool cut = whole["status"] == "incomplete";
      return events +
             Event(cut ? "response.incomplete" : "response.completed", {{"response", whole}});
    } catch (const std::exception& error) {
      const Problem problem = ToProblem(error);
      return Event("error",
                   {{"code", problem.code()}, {"message", problem.what()}, {"param", nullptr}});
    }
  }

  const OpenAiRequest request_;
  const std::shared_ptr<WaitingJob> waiting_;
  const Response response_;
  GrowingText text_;
  bool begun_ = false;
  int number_ = 0;
};

// "input": a text, or messages.
void ReadInput(const json& input, Conversation& talk) {
  if (input.is_string()) {
    throw Problem(422, "invalid_image", "input holds no picture: send one as input_image");
  }
  if (!input.is_array() || input.empty()) RefuseRequest("input must be a list of messages");
  for (size_t i = 0; i < input.size(); ++i) {
    JsonFields message(input[i], "input[" + std::to_string(i) + "]");
    const std::string type = message.String("type").value_or("message");
    if (type != "message") {
      throw Problem(422, "unsupported",
                    message.NameOf("type") + " other than message is not supported");
    }
    const std::string role = message.String("role").value_or("");
    if (role == "user") {
      talk.Read(message.Any("content"), message.NameOf("content"), {"input_text", "input_image"});
    } else if (role != "system" && role != "developer" && role != "assistant") {
      RefuseRequest(message.NameOf("role") + " must be user, system, developer or assistant");
    }
  }
}

}  // namespace

OpenAiRequest ReadResponsesRequest(HttpRequest& http, const Door& door) {
  const json body = TakeJsonBody(http);
  JsonFields fields(body, "");
  OpenAiRequest request;
  request.model = ReadModel(fields, door.models);
  PictureReader pictures(door.access, http);
  Conversation talk(pictures, /*each_picture=*/false);
  ReadInput(fields.Any("input"), talk);
  request.max_tokens = ReadSearch(fields, {"max_output_tokens"}, request.generation);
  request.stream = fields.Bool("stream").value_or(false);
  if (const json& text = fields.Any("text"); !text.is_null()) {
    JsonFields inner(text, "text");
    request.form = ReadFormat(inner.Any("format"), "text.format", "");
    inner.Any("verbosity");
    inner.ExpectNoMore();
  }
  RefuseUnsupported(fields, {{"background", false},
                             {"tools", json::array()},
                             {"previous_response_id", nullptr},
                             {"conversation", nullptr},
                             {"prompt", nullptr},
                             {"include", json::array()},
                             {"top_logprobs", 0}});
  // Fields that are ignored because they do not apply to this model.
  for (const char* ignored :
       {"instructions", "metadata", "store", "user", "service_tier", "safety_identifier",
        "prompt_cache_key", "parallel_tool_calls", "tool_choice", "truncation", "reasoning",
        "stream_options", "max_tool_calls"}) {
    fields.Any(ignored);
  }
  fields.ExpectNoMore();
  talk.Finish(request);
  return request;
}

HttpResponse AnswerResponses(const Door& door, HttpRequest& http) {
  OpenAiRequest request = ReadResponsesRequest(http, door);
  auto waiting = Submit(door.models, http, ToAnnotate(request, std::move(request.images.front())));
  if (request.stream) {
    auto writer = std::make_shared<EventWriter>(std::move(request), waiting);
    return StreamEvents(waiting, [writer](const Job::News& news) { return writer->Write(news); });
  }
  const Response response(*waiting);
  const Answered answered = waiting->WaitForEnd();
  const std::string content = ContentOf(request, answered.results.front());
  return {.body = Dump(response.Finished(content, answered, waiting->job().request.image_name))};
}

}  // namespace uffizi::server
