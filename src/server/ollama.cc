#include "server/ollama.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <set>

#include "server/annotate_response.h"
#include "server/answer_form.h"
#include "server/growing_text.h"
#include "server/problem.h"
#include "server/waiting_job.h"

namespace uffizi::server {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

std::string Now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return Timestamp(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

// A request of /api/chat or /api/generate.
struct OllamaRequest {
  bool chat = false;
  std::string model;   // as the client calls it
  std::string prompt;  // "" and no picture: the client only wants the model to be loaded
  AnnotateRequest annotate;
  bool prose = false;
  std::optional<AnswerForm> form;

  bool only_loads() const { return annotate.image.holder == nullptr && prompt.empty(); }
};

std::string Line(const OllamaRequest& request, const std::string& text, const ordered_json& more) {
  ordered_json line = {{"model", request.model}, {"created_at", Now()}};
  if (request.chat) {
    line["message"] = {{"role", "assistant"}, {"content", text}};
  } else {
    line["response"] = text;
  }
  line.update(more);
  return line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

// What the last line tells.
ordered_json Totals(const OllamaRequest& request, const Answered& answered) {
  const Result& result = answered.results.front();
  const auto nanoseconds = [](double seconds) { return static_cast<int64_t>(seconds * 1e9); };
  const std::chrono::duration<double> total =
      std::chrono::steady_clock::now() - request.annotate.arrived;
  const Timings& timings = result.timings;
  return {{"done", true},
          {"done_reason", result.truncated ? "length" : "stop"},
          {"total_duration", nanoseconds(total.count())},
          {"load_duration", 0},
          {"prompt_eval_count", answered.input_tokens.front()},
          {"prompt_eval_duration", nanoseconds(timings.vision_encoder + timings.text_encoder)},
          {"eval_count", result.token_ids.size()},
          {"eval_duration", nanoseconds(timings.decoder)}};
}

// The answer to prose is prose: of regions, what they are. A prompt of the model's own gives JSON.
std::string ContentOf(const OllamaRequest& request, const Result& result) {
  if (request.form) return request.form->Write(result);
  const Answer& answer = result.answer;
  if (answer.shape == AnswerShape::kText) return answer.text;
  if (!request.prose) return AnswerToJson(answer);
  std::set<std::string> told;
  std::string text;
  for (const Region& region : answer.regions) {
    if (region.label.empty() || !told.insert(region.label).second) continue;
    text += (text.empty() ? "" : ", ") + region.label;
  }
  return text;
}

void ReadSearch(const json& options, AnnotateRequest& request) {
  if (options.is_null()) return;
  // What else Ollama knows says how its own engine works.
  JsonFields fields(options, "options");
  GenerationOptions& generation = request.generation;
  if (const auto temperature = fields.Number("temperature", 0, 100)) {
    generation.do_sample = *temperature > 0;
    if (*temperature > 0) generation.temperature = std::max(*temperature, 0.01);
  }
  const int64_t most = std::numeric_limits<int>::max();
  if (const auto seed = fields.Integer("seed", std::numeric_limits<int64_t>::min(),
                                       std::numeric_limits<int64_t>::max())) {
    generation.seed = static_cast<uint64_t>(*seed) >> 1;
  }
  if (const auto k = fields.Integer("top_k", 0, most)) generation.top_k = static_cast<int>(*k);
  if (const auto p = fields.Number("top_p", 0, 1)) generation.top_p = std::max(*p, 0.001);
  if (const auto penalty = fields.Number("repeat_penalty", 0.01, 100)) {
    generation.repetition_penalty = *penalty;
  }
  const auto tokens = fields.Integer("num_predict", -2, most);
  if (tokens && *tokens > 0) request.max_tokens = *tokens;
}

// The latest of each.
struct Talk {
  std::string prompt;
  json images = json::array();
  std::string field;

  void Take(const std::optional<std::string>& content, const json& pictures,
            const std::string& name) {
    if (content) prompt = *content;
    if (pictures.is_null() || pictures.empty()) return;
    images = pictures;
    field = name;
  }
};

// Pictures that a request or one of its messages has, null for none.
const json& ReadImages(JsonFields& fields) {
  const json& images = fields.Any("images");
  const bool good =
      images.is_null() ||
      (images.is_array() &&
       std::all_of(images.begin(), images.end(), [](const json& one) { return one.is_string(); }));
  if (!good) RefuseRequest(fields.NameOf("images") + " must be a list of base64 strings");
  return images;
}

Talk ReadTalk(const json& messages) {
  Talk talk;
  if (messages.is_null()) return talk;
  if (!messages.is_array()) RefuseRequest("messages must be a list");
  for (size_t i = 0; i < messages.size(); ++i) {
    JsonFields message(messages[i], "messages[" + std::to_string(i) + "]");
    const json& images = ReadImages(message);
    const std::optional<std::string> content = message.String("content");
    if (message.String("role") == "user") talk.Take(content, images, message.NameOf("images"));
  }
  return talk;
}

// The question, and the form of its answer. A form with regions asks for them, whatever the words.
void ReadQuestion(const json& format, OllamaRequest& request) {
  ProseQuestion asked = QuestionOfProse(request.prompt);
  request.prose = asked.prose;
  const bool known = format.is_null() || format.is_object() || format == "" || format == "json";
  if (!known) RefuseRequest("format must be json or a JSON schema");
  if (format == "json") request.form = AnswerForm();
  if (format.is_object()) {
    request.form = AnswerForm(format, "format");
    const Question& question = asked.question;
    const Task task = question.task.value_or(PromptsOf(question, {}, 1000, 1000).front().task);
    try {
      request.form->Check(GetTaskInfo(task).shape);
    } catch (const Problem&) {
      if (!question.task && request.prompt.starts_with('<')) throw;
      request.form->Check(AnswerShape::kBoxes);
      asked.question = {Task::kObjectDetection, ""};
    }
  }
  request.annotate.questions = {std::move(asked.question)};
}

OllamaRequest ReadOllama(const Door& door, HttpRequest& http, bool chat) {
  const json body = TakeJsonBody(http);
  JsonFields fields(body, "");
  OllamaRequest request;
  request.chat = chat;
  request.model = fields.String("model").value_or("");
  if (request.model.empty()) RefuseRequest("model is missing");
  AnnotateRequest& annotate = request.annotate;
  annotate.model = door.models.NameOf(WithoutTag(request.model));
  Talk talk;
  if (chat) {
    talk = ReadTalk(fields.Any("messages"));
  } else {
    talk.Take(fields.String("prompt"), ReadImages(fields), "images");
  }
  request.prompt = talk.prompt;
  if (talk.images.empty() && talk.prompt.empty()) return request;
  if (talk.images.empty()) {
    throw Problem(422, "invalid_image", "the model answers about pictures: send one in images");
  }
  if (talk.images.size() > 1) {
    throw Problem(422, "unsupported",
                  talk.field + " holds " + std::to_string(talk.images.size()) +
                      " pictures, and the model looks at one");
  }
  if (talk.prompt.empty()) throw Problem(422, "invalid_prompt", "the prompt is empty");
  ReadQuestion(fields.Any("format"), request);
  ReadSearch(fields.Any("options"), annotate);
  annotate.stream = fields.Bool("stream").value_or(true);
  PictureReader pictures(door.access, http);
  annotate.image = pictures.Read(talk.images[0].get_ref<const std::string&>(), talk.field + "[0]");
  annotate.image_name = "image";
  return request;
}

// Writes an answer line by line.
class LineWriter {
 public:
  LineWriter(OllamaRequest request, std::shared_ptr<WaitingJob> waiting)
      : request_(std::move(request)),
        waiting_(std::move(waiting)),
        text_(waiting_->job().request.questions.front(), request_.form.has_value()) {}

  std::string Write(const Job::News& news) {
    std::string lines = Piece(text_.Take(news));
    if (!news.ended) return lines;
    try {
      const Answered answered = waiting_->job().Take();
      lines += Piece(text_.TakeRest(ContentOf(request_, answered.results.front())));
      return lines + Line(request_, "", Totals(request_, answered));
    } catch (const std::exception& error) {
      return lines + ordered_json{{"error", ToProblem(error).what()}}.dump() + "\n";
    }
  }

 private:
  std::string Piece(const std::string& text) const {
    return text.empty() ? "" : Line(request_, text, {{"done", false}});
  }

  const OllamaRequest request_;
  const std::shared_ptr<WaitingJob> waiting_;
  GrowingText text_;
};

HttpResponse AnswerOllama(const Door& door, HttpRequest& http, bool chat) {
  OllamaRequest request = ReadOllama(door, http, chat);
  if (request.only_loads()) {
    door.models.Open(request.annotate.model);
    return {.body = Line(request, "", {{"done", true}, {"done_reason", "load"}})};
  }
  const bool stream = request.annotate.stream;
  const auto arrived = request.annotate.arrived;
  auto waiting = Submit(door.models, http, std::move(request.annotate));
  request.annotate.arrived = arrived;
  if (stream) {
    auto writer = std::make_shared<LineWriter>(std::move(request), waiting);
    HttpResponse response =
        StreamEvents(waiting, [writer](const Job::News& news) { return writer->Write(news); });
    response.content_type = "application/x-ndjson";
    return response;
  }
  const Answered answered = waiting->WaitForEnd();
  return {.body = Line(request, ContentOf(request, answered.results.front()),
                       Totals(request, answered))};
}

}  // namespace

std::vector<Route> OllamaRoutes(const Door& door) {
  std::vector<Route> routes = OllamaModelRoutes(door);
  for (const bool chat : {true, false}) {
    routes.push_back(
        {"POST", chat ? "/api/chat" : "/api/generate",
         [&door, chat](HttpRequest& request) { return AnswerOllama(door, request, chat); }, false});
  }
  return routes;
}

}  // namespace uffizi::server
