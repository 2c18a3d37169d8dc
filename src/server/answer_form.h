#ifndef UFFIZI_SERVER_ANSWER_FORM_H_
#define UFFIZI_SERVER_ANSWER_FORM_H_

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "uffizi/types.h"

namespace uffizi::server {

// The JSON schema that a client requests for an answer. Its properties are filled from the model's
// answer according to their names and types; docs/doors.md has the table. The model itself does not
// write JSON.
class AnswerForm {
 public:
  // Any JSON: the regions as AnswerToJson() writes them, or {"text": ...}.
  AnswerForm() = default;
  // `field` names the schema in messages. Throws Problem(422) if it requires something that no
  // answer contains.
  AnswerForm(nlohmann::json schema, std::string field);

  // Throws Problem(422) if answers of this shape do not fit.
  void Check(AnswerShape shape) const;
  std::string Write(const Result& result) const;

 private:
  std::shared_ptr<const nlohmann::json> schema_;  // null: any JSON
  std::string field_;
};

}  // namespace uffizi::server

#endif  // UFFIZI_SERVER_ANSWER_FORM_H_
