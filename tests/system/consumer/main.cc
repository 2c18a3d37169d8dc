#include <cstdio>

#include "uffizi/engine.h"
#include "uffizi/image.h"
#include "uffizi/task.h"

// consumer [MODEL PICTURE]: asks a model about a picture through the installed library. Without
// arguments, shows that answers are parsed and that errors arrive as exceptions.
int main(int argc, char** argv) {
  using namespace uffizi;
  try {
    if (argc == 3) {
      Session session(Engine::Load(argv[1]));
      const Image picture = ReadImage(argv[2]);
      const EncodedImage encoded = session.Encode(picture.view());
      const Query query = session.engine().MakeQuery(
          encoded, MakePrompt(Task::kObjectDetection, "", picture.width, picture.height));
      const std::vector<Result> results = session.Run({&query, 1});
      std::printf("%s\n", AnswerToJson(results[0].answer).c_str());
      return 0;
    }
    const Answer answer =
        ParseAnswer(Task::kObjectDetection, "cat<loc_0><loc_0><loc_499><loc_999>", 100, 100);
    std::printf("%s\n", AnswerToJson(answer).c_str());
    Engine::Load("no/such/folder");
  } catch (const Error& error) {
    std::printf("%s: %s\n", Name(error.code()), error.what());
    return error.code() == ErrorCode::kNotFound ? 0 : 1;
  }
  return 1;
}
