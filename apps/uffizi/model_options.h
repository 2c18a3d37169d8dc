#ifndef UFFIZI_APPS_MODEL_OPTIONS_H_
#define UFFIZI_APPS_MODEL_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataset/pipeline.h"
#include "dataset/plan.h"
#include "picture_options.h"
#include "question_options.h"
#include "uffizi/engine.h"
#include "uffizi/image.h"

namespace uffizi::cli {

// Options that `annotate` and `bench` share: questions, the model, and the use of the machine.
struct ModelOptions : QuestionOptions {
  RegionFilter filter;
  std::string model;
  EngineOptions engine;  // threads: of all workers together
  int workers = 0, batch = 0;
  PictureOptions picture;
  GenerationOptions generation;
};

void AddModelOptions(CLI::App& command, ModelOptions& options);

// "od; caption; caption > grounding": for messages and to tell jobs apart.
std::string Describe(const std::vector<dataset::Question>& questions);
std::string Describe(const RegionFilter& filter);
std::string Describe(const GenerationOptions& generation);
std::string Describe(const std::vector<LoraSource>& lora);

// Loads the model, with the threads of a session as planned for `pictures`.
struct LoadedModel {
  std::shared_ptr<const Engine> engine;
  dataset::PipelineOptions pipeline;
};
LoadedModel LoadModel(const ModelOptions& options, std::vector<dataset::Question> questions,
                      std::optional<size_t> pictures);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_MODEL_OPTIONS_H_
