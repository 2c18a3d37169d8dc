#include "server/annotate_request.h"

#include <algorithm>

#include "server/problem.h"

namespace uffizi::server {
namespace {

using nlohmann::json;

// {"task", "text" or "region"} or {"prompt", "as"}.
Question ReadQuestionObject(const json& object, const std::string& name) {
  JsonFields fields(object, name);
  const auto task = fields.String("task");
  const auto prompt = fields.String("prompt");
  const auto text = fields.String("text");
  const json& region = fields.Any("region");
  const auto answer_as = fields.String("as");
  fields.ExpectNoMore();
  if (task.has_value() == prompt.has_value()) {
    RefuseRequest(name + " must have a task or a prompt, and not both");
  }
  if (prompt) {
    if (text || !region.is_null()) RefuseRequest(name + ": a prompt takes no text and no region");
    Question question{std::nullopt, *prompt, std::nullopt};
    if (answer_as) question.answer_as = TaskNamed(*answer_as);
    return question;
  }
  if (answer_as) RefuseRequest(name + ".as is for a prompt; a task answers in its own shape");
  const Task found = TaskNamed(*task);
  if (!region.is_null()) {
    if (text) RefuseTogether(name + " must not have both a text and a region");
    if (GetTaskInfo(found).input != TaskInput::kRegion) {
      RefuseTogether(name + ": " + *task + " takes no region");
    }
    return {found, ReadRegionField(region, fields.NameOf("region")), std::nullopt};
  }
  return {found, text.value_or(""), std::nullopt};
}

AnnotateRequest ReadJson(HttpRequest& http, PictureReader& pictures) {
  const json body = TakeJsonBody(http);
  JsonFields fields(body, "");
  AnnotateRequest request;
  request.model = fields.String("model").value_or("");
  const auto image = fields.Text("image");
  const auto url = fields.String("url");
  if (image && url) RefuseTogether("image and url are two pictures; send one request for each");
  if (!image && !url) RefuseRequest("image is missing: the picture as base64 or a data URI");
  request.image_name = fields.String("name").value_or(url ? NameOfUrl(*url) : "image");
  const json& tasks = fields.Any("tasks");
  if (!tasks.is_array()) RefuseRequest("tasks must be a list of what to ask, such as [\"od\"]");
  for (size_t i = 0; i < tasks.size(); ++i) {
    const std::string name = "tasks[" + std::to_string(i) + "]";
    request.questions.push_back(
        tasks[i].is_string() ? Question{TaskNamed(tasks[i].get<std::string>()), "", std::nullopt}
                             : ReadQuestionObject(tasks[i], name));
  }
  if (const json& options = fields.Any("options"); !options.is_null()) {
    ReadOptions(options, request);
  }
  request.stream = fields.Bool("stream").value_or(false);
  fields.ExpectNoMore();
  request.image = url ? pictures.ReadUrl(*url, "url") : pictures.Read(*image, "image");
  return request;
}

}  // namespace

std::string ReadRegionField(const json& value, const std::string& field) {
  if (value.is_string()) return value.get<std::string>();
  const bool four =
      value.is_array() && value.size() == 4 &&
      std::all_of(value.begin(), value.end(), [](const json& item) { return item.is_number(); });
  if (!four) RefuseRequest(field + " must be four numbers, [x1, y1, x2, y2], or a string");
  std::string region;
  for (const json& item : value) {
    if (!region.empty()) region += ',';
    region += item.dump();
  }
  return region;
}

Task TaskNamed(const std::string& name) {
  if (const auto task = FindTask(name)) return *task;
  RefuseRequest("no task is called \"" + name.substr(0, 80) + "\"; GET /v1/tasks lists them");
}

std::string TooManyQuestions(const RequestLimits& limits, size_t count) {
  return "a request may ask at most " + std::to_string(limits.max_questions) + " questions, not " +
         std::to_string(count);
}

void CheckImageName(const RequestLimits& limits, const std::string& name) {
  if (name.size() > limits.max_name) {
    RefuseRequest("the picture's name must have at most " + std::to_string(limits.max_name) +
                  " bytes");
  }
}

json TakeJsonBody(HttpRequest& request) {
  if (request.MediaType() != "application/json") {
    throw Problem(415, "unsupported_media_type", "the body must be application/json");
  }
  const std::string body = std::move(request.body);
  request.body.clear();
  return ParseClientJson(body);
}

namespace {

// Questions times beams times tokens.
void CheckCost(const RequestLimits& limits, const AnnotateRequest& request, size_t pictures) {
  const GenerationOptions& generation = request.generation;
  const auto beams = static_cast<size_t>(generation.do_sample == true && !generation.num_beams
                                             ? 1
                                             : generation.num_beams.value_or(limits.usual_beams));
  const auto tokens = static_cast<size_t>(
      std::min(generation.max_length.value_or(limits.usual_tokens), limits.max_tokens + 1));
  const size_t cost = beams * tokens * request.questions.size() * pictures;
  if (cost > limits.max_cost) {
    RefuseRequest("the request may cost " + std::to_string(cost) +
                  " (questions times num_beams times max_length); the most is " +
                  std::to_string(limits.max_cost));
  }
}

}  // namespace

void ApplyLimits(const RequestLimits& limits, AnnotateRequest& request, size_t pictures) {
  CheckImageName(limits, request.image_name);
  if (request.questions.empty()) RefuseTogether("say what to ask: a task or a prompt");
  if (request.questions.size() * pictures > limits.max_questions) {
    RefuseRequest(TooManyQuestions(limits, request.questions.size() * pictures));
  }
  GenerationOptions& generation = request.generation;
  if (generation.num_beams.value_or(1) > limits.max_beams) {
    RefuseRequest("num_beams must be at most " + std::to_string(limits.max_beams));
  }
  if (generation.max_length.value_or(0) > limits.max_tokens + 1) {
    RefuseRequest("max_length must be at most " + std::to_string(limits.max_tokens + 1));
  }
  if (request.max_tokens) {
    // Clients may ask for the limit of other models.
    const int most = std::min(limits.max_tokens, limits.model_tokens);
    // One more for the start token.
    generation.max_length = static_cast<int>(std::min<int64_t>(*request.max_tokens, most)) + 1;
  }
  CheckCost(limits, request, pictures);
  request.decode.max_pixels = limits.max_pixels;
  request.tiles.max_tiles = limits.max_tiles;
  // Errors in a question that do not depend on the picture are reported before any work.
  for (const Question& question : request.questions) {
    if (question.input.size() > limits.max_prompt) {
      RefuseRequest("a prompt, text or region must have at most " +
                    std::to_string(limits.max_prompt) + " bytes");
    }
    PromptsOf(question, {}, 1000, 1000);
  }
}

AnnotateRequest ReadAnnotateRequest(HttpRequest& http, const RequestLimits& limits,
                                    PictureReader& pictures) {
  const std::string type = http.MediaType();
  if (type == "application/json") return ReadJson(http, pictures);
  if (type == "multipart/form-data") return ReadAnnotateForm(http, limits, pictures);
  throw Problem(415, "unsupported_media_type",
                "the body must be application/json or multipart/form-data");
}

}  // namespace uffizi::server
