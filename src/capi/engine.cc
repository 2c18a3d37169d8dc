#include <filesystem>
#include <span>

#include "capi/guard.h"
#include "capi/handles.h"
#include "capi/options.h"
#include "engine/scheduler.h"
#include "uffizi/models.h"

namespace uffizi::capi {
namespace {

// Checks a question and makes a query of `engine` from it.
Query MakeQuery(const Engine& engine, const uffizi_question& question,
                const QuestionOptions& options) {
  Require(question.picture, "picture");
  if (question.text_size > 0) Require(question.text, "text");
  if (question.picture->engine.get() != &engine) {
    throw Error(ErrorCode::kInvalidArgument, "the picture was encoded by another engine");
  }
  const EncodedImage& picture = question.picture->picture;
  const std::string_view text(question.text_size > 0 ? question.text : "", question.text_size);
  Prompt prompt = MakePrompt(text, picture.width(), picture.height());
  if (prompt.task == Task::kRaw) prompt.answer_as = options.answer_as;
  const Query query = engine.MakeQuery(picture, prompt, options.generation, options.filter);
  if (options.max_input_length && query.input_ids().size() > *options.max_input_length) {
    throw Error(ErrorCode::kPromptTooLong, "the prompt has " +
                                               std::to_string(query.input_ids().size()) +
                                               " tokens; max_input_length allows " +
                                               std::to_string(*options.max_input_length));
  }
  return query;
}

// Runs `body`; if it fails, stores the error in `result`.
template <typename Body>
void Attempt(uffizi_result& result, const Body& body) {
  try {
    body();
  } catch (...) {
    result.status = DescribeException(result.error);
  }
}

// A batch of questions in progress.
class Batch {
 public:
  Batch(Session& session, std::span<const uffizi_question> questions, uffizi_progress progress,
        void* user)
      : session_(session), progress_(progress), user_(user), results_(questions.size()) {
    for (size_t i = 0; i < questions.size(); ++i) {
      Attempt(results_[i], [&] {
        const QuestionOptions options = ReadQuestionOptions(questions[i].options);
        queries_.push_back(MakeQuery(session.engine(), questions[i], options));
        indices_.push_back(i);
      });
    }
  }

  std::vector<uffizi_result> Run() {
    ProgressCallback callback;
    if (progress_ != nullptr) {
      callback = [&](const Progress& progress) {
        return progress_(user_, indices_[progress.query], progress.text.c_str()) != 0;
      };
    }
    std::vector<Outcome> outcomes = RunEach(session_, queries_, callback);
    for (size_t i = 0; i < outcomes.size(); ++i) {
      uffizi_result& result = results_[indices_[i]];
      Attempt(result, [&] {
        if (outcomes[i].error) std::rethrow_exception(outcomes[i].error);
        result.result = std::move(outcomes[i].result);
        result.json = AnswerToJson(result.result.answer);
      });
    }
    return std::move(results_);
  }

 private:
  Session& session_;
  uffizi_progress progress_;
  void* user_;
  std::vector<uffizi_result> results_;
  std::vector<Query> queries_;
  std::vector<size_t> indices_;  // of each query's question
};

}  // namespace
}  // namespace uffizi::capi

using uffizi::capi::Guard;
using uffizi::capi::Require;

uffizi_status uffizi_model_resolve(const char* source, uffizi_bytes** folder) {
  return Guard([&] {
    Require(source, "source");
    Require(folder, "folder");
    *folder = new uffizi_bytes{uffizi::ResolveModel(source).string()};
  });
}

uffizi_status uffizi_engine_load(const char* folder, const uffizi_options* options,
                                 uffizi_engine** out) {
  return Guard([&] {
    Require(folder, "folder");
    Require(out, "out");
    auto engine = uffizi::Engine::Load(folder, uffizi::capi::ReadEngineOptions(options));
    std::string info = uffizi::EngineInfoToJson(engine->info());
    *out = new uffizi_engine{std::move(engine), std::move(info)};
  });
}

const char* uffizi_engine_info(const uffizi_engine* engine) {
  return engine == nullptr ? nullptr : engine->info.c_str();
}

void uffizi_engine_free(uffizi_engine* engine) { delete engine; }

uffizi_status uffizi_session_new(const uffizi_engine* engine, uffizi_session** out) {
  return Guard([&] {
    Require(engine, "engine");
    Require(out, "out");
    *out = new uffizi_session{uffizi::Session(engine->engine)};
  });
}

void uffizi_session_free(uffizi_session* session) { delete session; }

uffizi_status uffizi_session_encode(uffizi_session* session, const uffizi_image* image,
                                    uffizi_encoded** out) {
  return Guard([&] {
    Require(session, "session");
    Require(image, "image");
    Require(out, "out");
    *out = new uffizi_encoded{session->session.engine().shared_from_this(),
                              session->session.Encode(image->image.view())};
  });
}

uffizi_status uffizi_session_encode_tiles(uffizi_session* session, const uffizi_image* image,
                                          const char* tiles, uffizi_encoded** out) {
  return Guard([&] {
    Require(session, "session");
    Require(image, "image");
    Require(tiles, "tiles");
    Require(out, "out");
    *out = new uffizi_encoded{
        session->session.engine().shared_from_this(),
        session->session.Encode(image->image.view(), uffizi::TileOptions::Parse(tiles))};
  });
}

void uffizi_encoded_free(uffizi_encoded* encoded) { delete encoded; }

uffizi_status uffizi_session_run(uffizi_session* session, const uffizi_question* questions,
                                 size_t count, uffizi_progress progress, void* user,
                                 uffizi_results** out) {
  return Guard([&] {
    Require(session, "session");
    if (count > 0) Require(questions, "questions");
    Require(out, "out");
    uffizi::capi::Batch batch(session->session, {questions, count}, progress, user);
    *out = new uffizi_results{batch.Run()};
  });
}
