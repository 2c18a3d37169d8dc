#include <algorithm>

#include "server/annotate_request.h"
#include "server/json_fields.h"
#include "server/multipart.h"

namespace uffizi::server {
namespace {

// Parts of a form: a question has at most a task and its input.
constexpr size_t kFieldsPerQuestion = 2, kOtherFields = 8;

// Takes the fields of a form in their order.
class FormReader {
 public:
  FormReader(HttpRequest& http, PictureReader& pictures) : http_(http), pictures_(pictures) {}

  void Take(FormField& field, const std::shared_ptr<const std::string>& body) {
    const std::string text = field.name == "image" ? "" : std::string(field.data);
    if (field.name == "image") {
      ExpectFirstPicture();
      request_.image = {body, field.data, std::move(http_.body_bytes)};
      request_.image_name = field.filename.empty() ? "image" : field.filename;
    } else if (field.name == "url") {
      ExpectFirstPicture();
      request_.image = pictures_.ReadUrl(text, "url");
      request_.image_name = NameOfUrl(text);
    } else if (field.name == "model") {
      request_.model = text;
    } else if (field.name == "task") {
      tasks_.push_back(text);
    } else if (field.name == "prompt") {
      prompts_.push_back(text);
    } else if (field.name == "as") {
      answer_as_.push_back(TaskNamed(text));
    } else if (field.name == "text") {
      texts_.Add(text);
    } else if (field.name == "region") {
      regions_.Add(text);
    } else if (field.name == "options") {
      ReadOptions(ParseClientJson(text), request_);
    } else if (field.name == "stream") {
      if (text != "true" && text != "false") RefuseRequest("stream must be true or false");
      request_.stream = text == "true";
    } else {
      RefuseRequest(
          "no field is called " + field.name.substr(0, 80) +
          "; there are image, url, model, task, text, region, prompt, as, options, stream");
    }
  }

  AnnotateRequest Finish() {
    if (!has_image_) RefuseRequest("image is missing: the picture as a file field");
    bool takes_text = false, takes_region = false;
    for (const std::string& name : tasks_) {
      const Task task = TaskNamed(name);
      const TaskInput input = GetTaskInfo(task).input;
      takes_text |= input == TaskInput::kText;
      takes_region |= input == TaskInput::kRegion;
      request_.questions.push_back({task,
                                    input == TaskInput::kText     ? texts_.Next()
                                    : input == TaskInput::kRegion ? regions_.Next()
                                                                  : "",
                                    std::nullopt});
    }
    if (!texts_.empty() && !takes_text) RefuseTogether("none of the tasks takes a text");
    if (!regions_.empty() && !takes_region) RefuseTogether("none of the tasks takes a region");
    if (answer_as_.size() > prompts_.size()) RefuseTogether("there are more as than prompts");
    for (size_t i = 0; i < prompts_.size(); ++i) {
      Question question{std::nullopt, std::move(prompts_[i]), std::nullopt};
      if (i < answer_as_.size()) question.answer_as = answer_as_[i];
      request_.questions.push_back(std::move(question));
    }
    return std::move(request_);
  }

 private:
  void ExpectFirstPicture() {
    if (has_image_) RefuseTogether("there is more than one image; send one request for each");
    has_image_ = true;
  }

  HttpRequest& http_;
  PictureReader& pictures_;
  AnnotateRequest request_;
  std::vector<std::string> tasks_, prompts_;
  std::vector<Task> answer_as_;
  TaskInputs texts_, regions_;
  bool has_image_ = false;
};

}  // namespace

AnnotateRequest ReadAnnotateForm(HttpRequest& http, const RequestLimits& limits,
                                 PictureReader& pictures) {
  const size_t max_fields = limits.max_questions * kFieldsPerQuestion + kOtherFields;
  const auto body = std::make_shared<const std::string>(std::move(http.body));
  auto form = ParseMultipart(http.Header("Content-Type").value_or(""), *body, max_fields);
  if (!form) {
    RefuseRequest("the body is not a whole multipart/form-data of at most " +
                  std::to_string(max_fields) + " fields");
  }
  FormReader reader(http, pictures);
  for (FormField& field : *form) reader.Take(field, body);
  AnnotateRequest request = reader.Finish();
  // Tasks and prompts may each be within the limit, but not together.
  if (request.questions.size() > limits.max_questions) {
    RefuseTogether(TooManyQuestions(limits, request.questions.size()));
  }
  return request;
}

}  // namespace uffizi::server
