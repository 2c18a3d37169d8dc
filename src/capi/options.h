#ifndef UFFIZI_CAPI_OPTIONS_H_
#define UFFIZI_CAPI_OPTIONS_H_

#include <map>
#include <optional>
#include <string>

#include "uffizi/engine.h"
#include "uffizi/image.h"
#include "uffizi/uffizi.h"

struct uffizi_options {
  std::map<std::string, std::string> values;
};

namespace uffizi::capi {

// All throw Error(kInvalidArgument) for a name that is not theirs or a value that cannot be read.
DecodeOptions ReadDecodeOptions(const uffizi_options* options);
EngineOptions ReadEngineOptions(const uffizi_options* options);

struct QuestionOptions {
  GenerationOptions generation;
  std::optional<size_t> max_input_length;  // tokens
  RegionFilter filter;
  std::optional<Task> answer_as;  // of prompts in words; tasks keep their own
};
QuestionOptions ReadQuestionOptions(const uffizi_options* options);

}  // namespace uffizi::capi

#endif  // UFFIZI_CAPI_OPTIONS_H_
