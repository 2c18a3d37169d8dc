#include <algorithm>
#include <limits>

#include "server/json_fields.h"
#include "server/openai.h"
#include "server/problem.h"

namespace uffizi::server {
namespace {

using nlohmann::json;

// What the conversation so far asks: the latest of each.
struct Asked {
  std::string prompt;
  std::string image;
};

void ReadImageUrl(const json& part, const std::string& name, Asked& asked) {
  JsonFields url(part, name);
  const auto data = url.Text("url");
  url.String("detail");  // the model has one size of picture
  url.ExpectNoMore();
  if (!data) RefuseRequest(url.NameOf("url") + " is missing: the picture as a data URI");
  asked.image = ReadImageData(*data, url.NameOf("url"));
}

// A user message's content: text, or a list of parts. Its texts are one prompt.
void ReadContent(const json& content, const std::string& name, Asked& asked) {
  if (content.is_string()) {
    asked.prompt = content.get<std::string>();
    return;
  }
  if (!content.is_array()) RefuseRequest(name + " must be a string or a list of parts");
  std::string prompt;
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string part_name = name + "[" + std::to_string(i) + "]";
    JsonFields part(content[i], part_name);
    const std::string type = part.String("type").value_or("");
    if (type == "text") {
      const auto text = part.String("text");
      if (!text) RefuseRequest(part.NameOf("text") + " is missing");
      if (!prompt.empty()) prompt += '\n';
      prompt += *text;
    } else if (type == "image_url") {
      ReadImageUrl(part.Any("image_url"), part.NameOf("image_url"), asked);
    } else {
      RefuseRequest(part.NameOf("type") + " must be text or image_url");
    }
    part.ExpectNoMore();
  }
  asked.prompt = prompt;
}

Asked ReadMessages(const json& messages) {
  if (!messages.is_array() || messages.empty()) RefuseRequest("messages must be a list of some");
  Asked asked;
  for (size_t i = 0; i < messages.size(); ++i) {
    JsonFields message(messages[i], "messages[" + std::to_string(i) + "]");
    const std::string role = message.String("role").value_or("");
    if (role == "user") {
      ReadContent(message.Any("content"), message.NameOf("content"), asked);
      message.String("name");
      message.ExpectNoMore();
    } else if (role != "system" && role != "developer" && role != "assistant") {
      RefuseRequest(message.NameOf("role") + " must be user, system, developer or assistant");
    }
  }
  if (asked.image.empty()) {
    throw Problem(422, "invalid_image", "messages hold no picture: send one as image_url");
  }
  if (asked.prompt.empty()) {
    throw Problem(422, "invalid_prompt", "the last user message has no text");
  }
  return asked;
}

// What would change the answer, and cannot be had here, must have the value that changes nothing.
void RefuseUnsupported(JsonFields& fields) {
  const std::pair<const char*, json> neutral[] = {
      {"n", 1},
      {"logprobs", false},
      {"presence_penalty", 0},
      {"frequency_penalty", 0},
      {"logit_bias", json::object()},
      {"response_format", {{"type", "text"}}},
      {"stop", json::array()},
      {"tools", json::array()},
      {"tool_choice", "none"},
      {"modalities", {"text"}},
  };
  for (const auto& [key, value] : neutral) {
    const json& given = fields.Any(key);
    if (!given.is_null() && given != value) {
      throw Problem(422, "unsupported",
                    std::string(key) + " other than " + value.dump() + " is not supported");
    }
  }
  for (const char* ignored : {"user", "metadata", "store", "service_tier", "safety_identifier",
                              "prompt_cache_key", "parallel_tool_calls"}) {
    fields.Any(ignored);
  }
}

void ReadSearch(JsonFields& fields, const RequestLimits& limits, GenerationOptions& generation) {
  if (const json& options = fields.Any("options"); !options.is_null()) {
    generation = ReadGenerationOptions(options);
  }
  const auto temperature = fields.Number("temperature", 0, 2);
  const auto top_p = fields.Number("top_p", 0, 1);
  const auto seed = fields.Integer("seed", std::numeric_limits<int64_t>::min(),
                                   std::numeric_limits<int64_t>::max());
  if (temperature) {  // 0 is OpenAI's word for no sampling
    generation.do_sample = *temperature > 0;
    if (*temperature > 0) generation.temperature = std::max(*temperature, 0.01);
  }
  if (top_p) generation.top_p = std::max(*top_p, 0.001);
  if (seed) generation.seed = static_cast<uint64_t>(*seed);
  auto tokens = fields.Integer("max_completion_tokens", 1, limits.max_tokens);
  if (const auto older = fields.Integer("max_tokens", 1, limits.max_tokens); !tokens) {
    tokens = older;
  }
  if (tokens) generation.max_length = static_cast<int>(*tokens) + 1;  // and the start token
}

}  // namespace

ChatRequest ReadChatRequest(HttpRequest& request, const std::string& model,
                            const RequestLimits& limits) {
  if (request.MediaType() != "application/json") {
    throw Problem(415, "unsupported_media_type", "the body must be application/json");
  }
  const json body = TakeJsonBody(request);
  JsonFields fields(body, "");
  ChatRequest chat;
  const auto named = fields.String("model");
  if (!named) RefuseRequest("model is missing; this server has " + model);
  if (*named != model) {
    throw Problem(404, "model_not_found",
                  "no model is called \"" + named->substr(0, 80) + "\"; this server has " + model);
  }
  Asked asked = ReadMessages(fields.Any("messages"));
  chat.annotate.image = HoldImage(std::move(asked.image), request);
  chat.annotate.image_name = "image";
  chat.annotate.questions = {{std::nullopt, std::move(asked.prompt), std::nullopt}};
  ReadSearch(fields, limits, chat.annotate.generation);
  chat.annotate.stream = fields.Bool("stream").value_or(false);
  if (const json& options = fields.Any("stream_options"); !options.is_null()) {
    JsonFields stream(options, "stream_options");
    chat.include_usage = stream.Bool("include_usage").value_or(false);
    stream.Bool("include_obfuscation");
    stream.ExpectNoMore();
  }
  RefuseUnsupported(fields);
  fields.ExpectNoMore();
  ApplyLimits(limits, chat.annotate);
  return chat;
}

}  // namespace uffizi::server
