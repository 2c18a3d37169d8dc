#include "core/json_writer.h"
#include "server/door.h"
#include "server/label_config.h"
#include "server/problem.h"
#include "server/waiting_job.h"

// Label Studio's ML backend: what a project's configuration asks, of each task's picture.
namespace uffizi::server {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr size_t kMaxTasks = 256;  // of a request

ImageFile ReadTaskPicture(PictureReader& pictures, const json& task, const std::string& key,
                          const std::string& field) {
  JsonFields fields(task, field);
  JsonFields data(fields.Any("data"), fields.NameOf("data"));
  const auto value = data.Text(key.c_str());
  if (!value) RefuseRequest(data.NameOf(key) + " is missing: the picture's address");
  if (value->starts_with("/")) return pictures.ReadLabelStudioFile(*value, data.NameOf(key));
  return pictures.Read(*value, data.NameOf(key));
}

// {"model_version", "score", "result": [...]}
std::string Predict(const Door& door, HttpRequest& http, const LabelConfig& config,
                    const json& task, const std::string& field) {
  PictureReader pictures(door.access, http);
  AnnotateRequest asked;
  asked.image = ReadTaskPicture(pictures, task, config.data_key, field);
  asked.image_name = field;
  std::vector<size_t> counts;
  for (const LabelControl& control : config.controls) {
    const std::vector<Question> questions = QuestionsOf(control);
    counts.push_back(questions.size());
    asked.questions.insert(asked.questions.end(), questions.begin(), questions.end());
  }
  const auto waiting = Submit(door.models, http, std::move(asked));
  const Answered answered = waiting->WaitForEnd();
  LabelItems items;
  std::span<const Result> left = answered.results;
  for (size_t i = 0; i < config.controls.size(); ++i) {
    AddItems(config, config.controls[i], left.first(counts[i]), field + "-", items);
    left = left.subspan(counts[i]);
  }
  const double score = items.scored > 0 ? items.score_sum / static_cast<double>(items.scored) : 0.0;
  JsonWriter out;
  out.Object().Member("model_version", waiting->model().name);
  out.Member("score", static_cast<float>(score)).Key("result").List();
  for (const std::string& item : items.json) out.Raw(item);
  return out.End().End().Take();
}

HttpResponse Predictions(const Door& door, HttpRequest& http) {
  const json body = TakeJsonBody(http);
  JsonFields fields(body, "");
  const LabelConfig config = LabelConfig::Parse(fields.String("label_config").value_or(""));
  const json& tasks = fields.Any("tasks");
  if (!tasks.is_array() || tasks.empty() || tasks.size() > kMaxTasks) {
    RefuseRequest("tasks must be a list of 1 to " + std::to_string(kMaxTasks) + " tasks");
  }
  std::string results;
  std::exception_ptr first;
  size_t failed = 0;
  for (size_t i = 0; i < tasks.size(); ++i) {
    if (i > 0) results += ", ";
    try {
      results += Predict(door, http, config, tasks[i], "tasks[" + std::to_string(i) + "]");
    } catch (const std::exception& error) {
      const Problem problem = ToProblem(error);
      if (problem.status() >= 499) throw;
      // A picture that cannot be read costs its own prediction.
      ++failed;
      if (!first) first = std::current_exception();
      results +=
          ordered_json{{"score", 0}, {"result", json::array()}, {"error", problem.what()}}.dump(
              -1, ' ', false, json::error_handler_t::replace);
    }
  }
  if (failed == tasks.size()) std::rethrow_exception(first);
  return {.body = "{\"results\": [" + results + "]}"};
}

}  // namespace

std::vector<Route> LabelStudioRoutes(const Door& door) {
  const auto setup = [&door](HttpRequest&) {
    return HttpResponse{.body =
                            ordered_json{{"model_version", door.models.names().front()}}.dump()};
  };
  const auto health = [](HttpRequest&) {
    return HttpResponse{.body = R"({"status": "UP", "model_class": "Uffizi"})"};
  };
  return {
      {"GET", "/health", health},
      {"POST", "/setup", setup},
      {"POST", "/predict", [&door](HttpRequest& request) { return Predictions(door, request); },
       false},
  };
}

}  // namespace uffizi::server
