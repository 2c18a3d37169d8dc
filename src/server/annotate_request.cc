#include "server/annotate_request.h"

#include <algorithm>
#include <limits>

#include "core/base64.h"
#include "server/multipart.h"
#include "server/problem.h"

namespace uffizi::server {
namespace {

using nlohmann::json;

constexpr int kMaxInt = std::numeric_limits<int>::max();

template <typename To, typename From>
void Set(std::optional<To>& to, const std::optional<From>& from) {
  if (from) to = static_cast<To>(*from);
}

Task TaskNamed(const std::string& name) {
  if (const auto task = FindTask(name)) return *task;
  RefuseRequest("no task is called \"" + name.substr(0, 80) + "\"; GET /v1/tasks lists them");
}

// A region as a list of four numbers, or as text.
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

// {"task", "text" or "region"} or {"prompt"}.
Question ReadQuestionObject(const json& object, const std::string& name) {
  JsonFields fields(object, name);
  const auto task = fields.String("task");
  const auto prompt = fields.String("prompt");
  const auto text = fields.String("text");
  const json& region = fields.Any("region");
  fields.ExpectNoMore();
  if (task.has_value() == prompt.has_value()) {
    RefuseRequest(name + " must have a task or a prompt, and not both");
  }
  if (prompt) {
    if (text || !region.is_null()) RefuseRequest(name + ": a prompt takes no text and no region");
    return {std::nullopt, *prompt, std::nullopt};
  }
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

void ReadField(JsonFields& fields, const auto& field, std::optional<bool>& out) {
  out = fields.Bool(field.name);
}

void ReadField(JsonFields& fields, const auto& field, std::optional<std::string>& out) {
  out = fields.String(field.name);
}

void ReadField(JsonFields& fields, const auto& field, std::optional<std::vector<int>>& out) {
  out = fields.Integers(field.name, 0, kMaxInt);
}

template <typename Number>
void ReadField(JsonFields& fields, const auto& field, std::optional<Number>& out) {
  if constexpr (std::is_integral_v<Number>) {
    const auto high = std::numeric_limits<int64_t>::max();
    Set(out,
        fields.Integer(
            field.name, static_cast<int64_t>(field.low),
            field.high >= static_cast<double>(high) ? high : static_cast<int64_t>(field.high)));
  } else {
    Set(out, fields.Number(field.name, field.low, field.high));
  }
}

GenerationOptions ReadGeneration(JsonFields& fields) {
  GenerationOptions generation;
  ForEachField(kGenerationFields,
               [&](const auto& field) { ReadField(fields, field, generation.*field.member); });
  return generation;
}

void ReadOptions(const json& object, AnnotateRequest& request) {
  JsonFields fields(object, "options");
  request.generation = ReadGeneration(fields);
  request.decode = ReadDecodeOptions(fields);
  if (const auto tiles = fields.String("tiles")) {
    try {
      request.tiles = TileOptions::Parse(*tiles);
    } catch (const Error& error) {
      RefuseRequest(std::string("options.tiles: ") + error.what());
    }
  }
  fields.ExpectNoMore();
}

// Parts of a form: a question has at most a task and its input.
constexpr size_t kFieldsPerQuestion = 2, kOtherFields = 8;

AnnotateRequest ReadJson(HttpRequest& http) {
  const json body = TakeJsonBody(http);
  JsonFields fields(body, "");
  AnnotateRequest request;
  const auto image = fields.Text("image");
  if (!image) RefuseRequest("image is missing: the picture as base64 or a data URI");
  request.image = HoldImage(ReadImageData(*image, "image"), http);
  request.image_name = fields.String("name").value_or("image");
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
  return request;
}

// Form fields of one kind (text, region), handed out in order; a single one serves all tasks.
class Inputs {
 public:
  void Add(std::string value) { values_.push_back(std::move(value)); }
  std::string Next() {
    if (values_.empty()) return "";
    return values_[values_.size() == 1 ? 0 : std::min(next_++, values_.size() - 1)];
  }
  bool empty() const { return values_.empty(); }

 private:
  std::vector<std::string> values_;
  size_t next_ = 0;
};

std::string TooManyQuestions(const RequestLimits& limits, size_t count) {
  return "a request may ask at most " + std::to_string(limits.max_questions) + " questions, not " +
         std::to_string(count);
}

AnnotateRequest ReadForm(HttpRequest& http, const RequestLimits& limits) {
  const size_t max_fields = limits.max_questions * kFieldsPerQuestion + kOtherFields;
  const auto body = std::make_shared<const std::string>(std::move(http.body));
  auto form = ParseMultipart(http.Header("Content-Type").value_or(""), *body, max_fields);
  if (!form) {
    RefuseRequest("the body is not a whole multipart/form-data of at most " +
                  std::to_string(max_fields) + " fields");
  }
  AnnotateRequest request;
  std::vector<std::string> tasks, prompts;
  Inputs texts, regions;
  bool has_image = false;
  for (FormField& field : *form) {
    if (field.name == "image") {
      if (has_image) RefuseRequest("there is more than one image; send one request for each");
      has_image = true;
      request.image = {body, field.data, std::move(http.body_bytes)};
      request.image_name = field.filename.empty() ? "image" : field.filename;
    } else if (field.name == "task") {
      tasks.emplace_back(field.data);
    } else if (field.name == "prompt") {
      prompts.emplace_back(field.data);
    } else if (field.name == "text") {
      texts.Add(std::string(field.data));
    } else if (field.name == "region") {
      regions.Add(std::string(field.data));
    } else if (field.name == "options") {
      ReadOptions(ParseClientJson(field.data), request);
    } else if (field.name == "stream") {
      if (field.data != "true" && field.data != "false") {
        RefuseRequest("stream must be true or false");
      }
      request.stream = field.data == "true";
    } else {
      RefuseRequest("no field is called " + field.name.substr(0, 80) +
                    "; there are image, task, text, region, prompt, options, stream");
    }
  }
  if (!has_image) RefuseRequest("image is missing: the picture as a file field");
  bool takes_text = false, takes_region = false;
  for (const std::string& name : tasks) {
    const Task task = TaskNamed(name);
    const TaskInput input = GetTaskInfo(task).input;
    takes_text |= input == TaskInput::kText;
    takes_region |= input == TaskInput::kRegion;
    request.questions.push_back({task,
                                 input == TaskInput::kText     ? texts.Next()
                                 : input == TaskInput::kRegion ? regions.Next()
                                                               : "",
                                 std::nullopt});
  }
  if (!texts.empty() && !takes_text) RefuseTogether("none of the tasks takes a text");
  if (!regions.empty() && !takes_region) RefuseTogether("none of the tasks takes a region");
  for (std::string& prompt : prompts) {
    request.questions.push_back({std::nullopt, std::move(prompt), std::nullopt});
  }
  // Tasks and prompts may each be few enough.
  if (request.questions.size() > limits.max_questions) {
    RefuseTogether(TooManyQuestions(limits, request.questions.size()));
  }
  return request;
}

}  // namespace

std::string ReadImageData(std::string_view text, const std::string& field) {
  constexpr std::string_view kMark = ";base64,";
  if (text.starts_with("http:") || text.starts_with("https:")) {
    RefuseRequest(field + ": URLs are not fetched; send the picture itself, as base64");
  }
  if (text.starts_with("data:")) {
    const size_t mark = text.substr(0, 200).find(kMark);
    if (mark == std::string_view::npos) RefuseRequest(field + ": a data URI must be in base64");
    text.remove_prefix(mark + kMark.size());
  }
  std::optional<std::string> bytes = DecodeBase64(text);
  if (!bytes || bytes->empty()) {
    throw Problem(422, "invalid_image", field + " is not a picture in base64");
  }
  return *std::move(bytes);
}

GenerationOptions ReadGenerationOptions(const json& options) {
  JsonFields fields(options, "options");
  GenerationOptions generation = ReadGeneration(fields);
  fields.ExpectNoMore();
  return generation;
}

DecodeOptions ReadDecodeOptions(JsonFields& fields) {
  DecodeOptions decode;
  if (fields.Bool("drop_alpha") == true) decode.alpha = AlphaMode::kDrop;
  if (fields.Bool("no_exif") == true) decode.apply_exif_orientation = false;
  if (const auto page = fields.Integer("page", 1, kMaxInt)) {
    decode.page = static_cast<size_t>(*page - 1);
  }
  if (const auto truncated = fields.String("truncated")) {
    const auto known = FromName<TruncatedMode>(*truncated);
    if (!known) RefuseRequest("options.truncated must be " + AllNames<TruncatedMode>());
    decode.truncated = *known;
  }
  return decode;
}

json TakeJsonBody(HttpRequest& request) {
  const std::string body = std::move(request.body);
  request.body.clear();
  return ParseClientJson(body);
}

ImageFile HoldImage(std::string bytes, HttpRequest& request) {
  const auto holder = std::make_shared<const std::string>(std::move(bytes));
  request.body_bytes.Shrink(holder->capacity());
  return {holder, *holder, std::move(request.body_bytes)};
}

void CheckImageName(const RequestLimits& limits, const std::string& name) {
  if (name.size() > limits.max_name) {
    RefuseRequest("the picture's name must have at most " + std::to_string(limits.max_name) +
                  " bytes");
  }
}

void ApplyLimits(const RequestLimits& limits, AnnotateRequest& request) {
  CheckImageName(limits, request.image_name);
  if (request.questions.empty()) RefuseTogether("say what to ask: a task or a prompt");
  if (request.questions.size() > limits.max_questions) {
    RefuseRequest(TooManyQuestions(limits, request.questions.size()));
  }
  GenerationOptions& generation = request.generation;
  if (generation.num_beams.value_or(1) > limits.max_beams) {
    RefuseRequest("num_beams must be at most " + std::to_string(limits.max_beams));
  }
  if (generation.max_length.value_or(0) > limits.max_tokens + 1) {
    RefuseRequest("max_length must be at most " + std::to_string(limits.max_tokens + 1));
  }
  const auto beams = static_cast<size_t>(generation.do_sample == true && !generation.num_beams
                                             ? 1
                                             : generation.num_beams.value_or(limits.usual_beams));
  const auto tokens = static_cast<size_t>(
      std::min(generation.max_length.value_or(limits.usual_tokens), limits.max_tokens + 1));
  if (beams * tokens * request.questions.size() > limits.max_cost) {
    RefuseRequest("the request may cost " +
                  std::to_string(beams * tokens * request.questions.size()) +
                  " (questions times num_beams times max_length); the most is " +
                  std::to_string(limits.max_cost));
  }
  request.decode.max_pixels = limits.max_pixels;
  request.tiles.max_tiles = limits.max_tiles;
  // What is wrong with a question whatever the picture is: say so before any work.
  for (const Question& question : request.questions) {
    if (question.input.size() > limits.max_prompt) {
      RefuseRequest("a prompt, text or region must have at most " +
                    std::to_string(limits.max_prompt) + " bytes");
    }
    PromptsOf(question, {}, 1000, 1000);
  }
}

AnnotateRequest ReadAnnotateRequest(HttpRequest& http, const RequestLimits& limits) {
  const std::string type = http.MediaType();
  AnnotateRequest request;
  if (type == "application/json") {
    request = ReadJson(http);
  } else if (type == "multipart/form-data") {
    request = ReadForm(http, limits);
  } else {
    throw Problem(415, "unsupported_media_type",
                  "the body must be application/json or multipart/form-data");
  }
  ApplyLimits(limits, request);
  return request;
}

}  // namespace uffizi::server
