#include <algorithm>
#include <limits>
#include <random>

#include "server/openai.h"
#include "server/problem.h"
#include "uffizi/task.h"

namespace uffizi::server {
namespace {

using nlohmann::json;

// "image_url" is an object in chat completions and a string in responses.
std::string_view ReadUrlField(const json& value, const std::string& name) {
  if (value.is_string()) return value.get_ref<const std::string&>();
  JsonFields url(value, name);
  const auto data = url.Text("url");
  url.String("detail");  // ignored: the model has one picture size
  url.ExpectNoMore();
  if (!data) RefuseRequest(url.NameOf("url") + " is missing: the picture as a data URI");
  return *data;
}

}  // namespace

void Conversation::Read(const json& content, const std::string& name, const PartTypes& types) {
  if (content.is_string()) {
    prompt_ = content.get<std::string>();
    return;
  }
  if (!content.is_array()) RefuseRequest(name + " must be a string or a list of parts");
  std::string prompt;
  std::vector<Picture> images;
  for (size_t i = 0; i < content.size(); ++i) {
    JsonFields part(content[i], name + "[" + std::to_string(i) + "]");
    const std::string type = part.String("type").value_or("");
    if (type == types.text) {
      const auto text = part.String("text");
      if (!text) RefuseRequest(part.NameOf("text") + " is missing");
      if (!prompt.empty()) prompt += '\n';
      prompt += *text;
    } else if (type == types.image) {
      const std::string field = part.NameOf("image_url");
      images.push_back({ReadUrlField(part.Any("image_url"), field), field});
      part.String("detail");
      if (!part.Any("file_id").is_null()) {
        throw Problem(422, "unsupported", part.NameOf("file_id") + ": no files are kept here");
      }
    } else {
      RefuseRequest(part.NameOf("type") + " must be " + types.text + " or " + types.image);
    }
    part.ExpectNoMore();
  }
  prompt_ = prompt;
  if (!images.empty()) images_ = std::move(images);
}

void Conversation::Finish(OpenAiRequest& request) {
  if (images_.empty()) {
    throw Problem(422, "invalid_image", "messages hold no picture: send one as image_url");
  }
  if (prompt_.empty()) {
    throw Problem(422, "invalid_prompt", "the last user message has no text");
  }
  if (images_.size() > 1 && !each_picture_) {
    throw Problem(422, "unsupported",
                  "a message holds " + std::to_string(images_.size()) +
                      " pictures, and the model looks at one: send one, or each_picture: true for "
                      "an answer about each");
  }
  for (const Picture& image : images_) {
    request.images.push_back(pictures_.Read(image.url, image.field));
  }
  request.prompt = std::move(prompt_);
}

std::string ReadModel(JsonFields& fields, const Models& models) {
  const auto named = fields.String("model");
  if (!named && !models.options().any_name) {
    RefuseRequest("model is missing; this server has " + models.names().front());
  }
  models.NameOf(named.value_or(""));
  return named.value_or("");
}

std::optional<int64_t> ReadSearch(JsonFields& fields,
                                  std::initializer_list<const char*> limit_names,
                                  GenerationOptions& generation) {
  if (const json& options = fields.Any("options"); !options.is_null()) {
    generation = ReadGenerationOptions(options);
  }
  const auto temperature = fields.Number("temperature", 0, 2);
  const auto top_p = fields.Number("top_p", 0, 1);
  const auto seed = fields.Integer("seed", std::numeric_limits<int64_t>::min(),
                                   std::numeric_limits<int64_t>::max());
  if (temperature) {  // 0 means no sampling in OpenAI's API
    generation.do_sample = *temperature > 0;
    if (*temperature > 0) generation.temperature = std::max(*temperature, 0.01);
  }
  if (top_p) generation.top_p = std::max(*top_p, 0.001);
  if (seed) generation.seed = static_cast<uint64_t>(*seed);
  std::optional<int64_t> tokens;
  for (const char* name : limit_names) {
    const auto given = fields.Integer(name, 1, std::numeric_limits<int64_t>::max());
    if (!tokens) tokens = given;
  }
  return tokens;
}

std::optional<AnswerForm> ReadFormat(const json& format, const std::string& field,
                                     const char* schema_in) {
  if (format.is_null()) return std::nullopt;
  JsonFields fields(format, field);
  const std::string type = fields.String("type").value_or("");
  if (type == "text") return std::nullopt;
  if (type == "json_object") return AnswerForm();
  if (type != "json_schema") {
    throw Problem(422, "unsupported",
                  fields.NameOf("type") +
                      " other than text, json_object or json_schema is not "
                      "supported");
  }
  if (*schema_in == '\0') return AnswerForm(fields.Any("schema"), fields.NameOf("schema"));
  JsonFields inner(fields.Any(schema_in), fields.NameOf(schema_in));
  return AnswerForm(inner.Any("schema"), inner.NameOf("schema"));
}

void RefuseUnsupported(JsonFields& fields,
                       const std::vector<std::pair<const char*, json>>& neutral) {
  for (const auto& [key, value] : neutral) {
    const json& given = fields.Any(key);
    if (!given.is_null() && given != value) {
      throw Problem(422, "unsupported",
                    std::string(key) + " other than " + value.dump() + " is not supported");
    }
  }
}

OpenAiRequest ReadChatRequest(HttpRequest& http, const Door& door) {
  const json body = TakeJsonBody(http);
  JsonFields fields(body, "");
  OpenAiRequest request;
  request.model = ReadModel(fields, door.models);
  PictureReader pictures(door.access, http);
  Conversation talk(pictures, fields.Bool("each_picture").value_or(false));
  const json& messages = fields.Any("messages");
  if (!messages.is_array() || messages.empty()) RefuseRequest("messages must be a list of some");
  for (size_t i = 0; i < messages.size(); ++i) {
    JsonFields message(messages[i], "messages[" + std::to_string(i) + "]");
    const std::string role = message.String("role").value_or("");
    if (role == "user") {
      talk.Read(message.Any("content"), message.NameOf("content"), {"text", "image_url"});
      message.String("name");
      message.ExpectNoMore();
    } else if (role != "system" && role != "developer" && role != "assistant") {
      RefuseRequest(message.NameOf("role") + " must be user, system, developer or assistant");
    }
  }
  request.max_tokens =
      ReadSearch(fields, {"max_completion_tokens", "max_tokens"}, request.generation);
  request.stream = fields.Bool("stream").value_or(false);
  if (const json& options = fields.Any("stream_options"); !options.is_null()) {
    JsonFields stream(options, "stream_options");
    request.include_usage = stream.Bool("include_usage").value_or(false);
    stream.Bool("include_obfuscation");
    stream.ExpectNoMore();
  }
  request.form = ReadFormat(fields.Any("response_format"), "response_format", "json_schema");
  RefuseUnsupported(fields, {{"n", 1},
                             {"logprobs", false},
                             {"presence_penalty", 0},
                             {"frequency_penalty", 0},
                             {"logit_bias", json::object()},
                             {"stop", json::array()},
                             {"tools", json::array()},
                             {"tool_choice", "none"},
                             {"modalities", {"text"}}});
  for (const char* ignored : {"user", "metadata", "store", "service_tier", "safety_identifier",
                              "prompt_cache_key", "parallel_tool_calls"}) {
    fields.Any(ignored);
  }
  fields.ExpectNoMore();
  talk.Finish(request);
  return request;
}

AnnotateRequest ToAnnotate(const OpenAiRequest& request, ImageFile image) {
  AnnotateRequest asked;
  asked.model = request.model;
  asked.image = std::move(image);
  asked.image_name = "image";
  asked.questions = {{std::nullopt, request.prompt, std::nullopt}};
  asked.generation = request.generation;
  asked.max_tokens = request.max_tokens;
  asked.stream = request.stream;
  if (request.form) {
    const Task task = PromptsOf(asked.questions.front(), {}, 1000, 1000).front().task;
    request.form->Check(GetTaskInfo(task).shape);
  }
  return asked;
}

std::string ContentOf(const OpenAiRequest& request, const Result& result) {
  if (request.form) return request.form->Write(result);
  const Answer& answer = result.answer;
  return answer.shape == AnswerShape::kText ? answer.text : AnswerToJson(answer);
}

std::string NewId(const char* prefix) {
  std::random_device random;
  std::string id = prefix;
  for (int i = 0; i < 24; ++i) id += "0123456789abcdef"[random() % 16];
  return id;
}

std::vector<Route> OpenAiRoutes(const Door& door) {
  std::vector<Route> routes = {
      {"POST", "/v1/chat/completions",
       [&door](HttpRequest& request) { return AnswerChat(door, request); }, false},
      {"POST", "/v1/responses",
       [&door](HttpRequest& request) { return AnswerResponses(door, request); }, false},
  };
  const auto model = [&door](const std::string& name) {
    return "{\"id\": " + json(name).dump() +
           ", \"object\": \"model\", \"created\": " + std::to_string(door.started) +
           ", \"owned_by\": \"uffizi\"}";
  };
  std::string list;
  for (const std::string& name : door.models.names()) {
    const std::string json = model(name);
    list += (list.empty() ? "" : ", ") + json;
    routes.push_back(
        {"GET", "/v1/models/" + name, [json](HttpRequest&) { return HttpResponse{.body = json}; }});
  }
  list = "{\"object\": \"list\", \"data\": [" + list + "]}";
  routes.push_back(
      {"GET", "/v1/models", [list](HttpRequest&) { return HttpResponse{.body = list}; }});
  return routes;
}

}  // namespace uffizi::server
