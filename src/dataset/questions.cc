#include "dataset/questions.h"

#include <algorithm>
#include <set>
#include <utility>

namespace uffizi::dataset {
namespace {

std::string NameOf(const Question& question) {
  return question.task ? std::string(GetTaskInfo(*question.task).name) : question.input;
}

// The pixels of a region as a region task takes them.
std::string RegionInput(const Region& region) {
  float low[2] = {region.box.x1, region.box.y1}, high[2] = {region.box.x2, region.box.y2};
  const Polygon* outline = !region.polygons.empty() ? &region.polygons.front() : &region.quad;
  for (size_t i = 0; i < outline->size(); ++i) {
    const size_t axis = i % 2;
    low[axis] = i < 2 ? (*outline)[i] : std::min(low[axis], (*outline)[i]);
    high[axis] = i < 2 ? (*outline)[i] : std::max(high[axis], (*outline)[i]);
  }
  return std::to_string(low[0]) + "," + std::to_string(low[1]) + "," + std::to_string(high[0]) +
         "," + std::to_string(high[1]);
}

// What an answer gives to the question that follows it.
std::vector<std::string> InputsFrom(const Answer& answer, TaskInput wanted) {
  if (answer.shape == AnswerShape::kText) {
    if (answer.text.find_first_not_of(" \n\t") == std::string::npos) return {};
    return {answer.text};
  }
  std::vector<std::string> inputs;
  std::set<std::string> seen;
  for (const Region& region : answer.regions) {
    if (wanted == TaskInput::kRegion) {
      inputs.push_back(RegionInput(region));
    } else if (!region.label.empty() && seen.insert(region.label).second) {
      inputs.push_back(region.label);
    }
  }
  return inputs;
}

// One prompt on its way through the engine.
struct Asked {
  size_t picture, question;
};

class Asking {
 public:
  Asking(Session& session, std::span<const Question> questions, const GenerationOptions& generation,
         std::span<AskedPicture> pictures)
      : session_(session), questions_(questions), generation_(generation), pictures_(pictures) {
    for (const Question& question : questions) {
      depths_.push_back(question.after ? depths_[*question.after] + 1 : 0);
    }
    for (AskedPicture& picture : pictures) picture.results.assign(questions.size(), {});
  }

  void Run() {
    const size_t levels = *std::max_element(depths_.begin(), depths_.end()) + 1;
    for (size_t level = 0; level < levels; ++level) {
      asked_.clear();
      queries_.clear();
      for (size_t p = 0; p < pictures_.size(); ++p) {
        for (size_t q = 0; q < questions_.size(); ++q) {
          if (depths_[q] == level) Ask(p, q);
        }
      }
      if (!queries_.empty()) Answer();
    }
  }

 private:
  void Ask(size_t p, size_t q) {
    AskedPicture& picture = pictures_[p];
    const Question& question = questions_[q];
    const EncodedImage& image = *picture.image;
    try {
      const std::span<const Result> before =
          question.after ? std::span<const Result>(picture.results[*question.after])
                         : std::span<const Result>();
      for (const Prompt& prompt : PromptsOf(question, before, image.width(), image.height())) {
        queries_.push_back(session_.engine().MakeQuery(image, prompt, generation_));
        asked_.push_back({p, q});
      }
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kInvalidArgument) throw;  // of an option, not the picture
      Fail(p, q, error);
    }
  }

  void Answer() {
    try {
      std::vector<Result> results = session_.Run(queries_);
      for (size_t i = 0; i < results.size(); ++i) Keep(asked_[i], std::move(results[i]));
      return;
    } catch (const std::exception&) {
      // One of them, or all of them together, were too much: below we see which.
    }
    for (size_t i = 0; i < queries_.size(); ++i) {
      try {
        Keep(asked_[i], std::move(session_.Run({&queries_[i], 1}).front()));
      } catch (const Error& error) {
        Fail(asked_[i].picture, asked_[i].question, error);
      } catch (const std::exception& error) {
        Fail(asked_[i].picture, asked_[i].question, Error(ErrorCode::kInternal, error.what()));
      }
    }
  }

  void Keep(const Asked& asked, Result result) {
    pictures_[asked.picture].results[asked.question].push_back(std::move(result));
  }

  void Fail(size_t p, size_t q, const Error& error) {
    pictures_[p].errors.push_back(Error(error.code(), NameOf(questions_[q]) + ": " + error.what()));
  }

  Session& session_;
  std::span<const Question> questions_;
  const GenerationOptions& generation_;
  std::span<AskedPicture> pictures_;
  std::vector<size_t> depths_;  // of each question in its cascade
  std::vector<Asked> asked_;
  std::vector<Query> queries_;
};

}  // namespace

void CheckQuestions(std::span<const Question> questions) {
  for (const Question& question : questions) {
    if (!question.after) {
      PromptsOf(question, {}, 1000, 1000);
      continue;
    }
    const Question& before = questions[*question.after];
    const TaskInput input = question.task ? GetTaskInfo(*question.task).input : TaskInput::kNone;
    const AnswerShape shape = before.task ? GetTaskInfo(*before.task).shape : AnswerShape::kText;
    if (input == TaskInput::kNone) {
      throw Error(ErrorCode::kInvalidArgument, NameOf(question) +
                                                   " takes no input, so it cannot follow " +
                                                   NameOf(before) + "; ask it with --task");
    }
    if (input == TaskInput::kRegion && shape == AnswerShape::kText) {
      throw Error(ErrorCode::kInvalidArgument, NameOf(question) + " needs regions, and " +
                                                   NameOf(before) + " answers with a text");
    }
  }
}

std::vector<Prompt> PromptsOf(const Question& question, std::span<const Result> before, int width,
                              int height) {
  if (!question.after) {
    return {question.task ? MakePrompt(*question.task, question.input, width, height)
                          : MakePrompt(question.input, width, height)};
  }
  std::vector<Prompt> prompts;
  for (const Result& result : before) {
    for (const std::string& input : InputsFrom(result.answer, GetTaskInfo(*question.task).input)) {
      prompts.push_back(MakePrompt(*question.task, input, width, height));
    }
  }
  return prompts;
}

void AskAll(Session& session, std::span<const Question> questions,
            const GenerationOptions& generation, std::span<AskedPicture> pictures) {
  Asking(session, questions, generation, pictures).Run();
}

}  // namespace uffizi::dataset
