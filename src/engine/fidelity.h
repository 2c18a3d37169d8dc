#ifndef UFFIZI_ENGINE_FIDELITY_H_
#define UFFIZI_ENGINE_FIDELITY_H_

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/questions.h"
#include "uffizi/engine.h"
#include "uffizi/error.h"
#include "uffizi/types.h"

namespace uffizi {

struct TokenAgreement;

// Agreement of the answers to one question with those of the reference.
struct QuestionFidelity {
  std::string name;  // as NameOf() says it
  AnswerShape shape = AnswerShape::kText;
  size_t answers = 0, exact = 0;  // exact: identical answers
  // For answers with regions.
  size_t truths = 0, found = 0;  // regions
  std::optional<double> ap50;    // 0..1; nothing if the reference found no regions
  // For answers with text.
  size_t edits = 0, characters = 0;  // characters: of the reference's answers

  bool has_regions() const { return shape != AnswerShape::kText; }
  // In points: 100 - AP50 (in percent), or edits per 100 characters; nothing if there is nothing to
  // compare with.
  std::optional<double> Loss() const;
};

// How another arithmetic, or a smaller folder, changes a model's answers.
struct Fidelity {
  size_t pictures = 0;
  std::vector<QuestionFidelity> questions;
  // Next-token predictions along the reference's answers (teacher forcing): how many there are, how
  // many agree, and the mean Kullback-Leibler divergence from the reference, in nats.
  size_t tokens = 0, same_tokens = 0;
  double divergence = 0;
  double seconds = 0;  // a picture, all its questions answered

  // The largest of the questions' losses, points of 100.
  double Loss() const;
};

struct FidelityOptions {
  // A follow-up is asked about the reference's answers, by both models: kMostFollowUps a picture.
  std::vector<Question> questions = {
      {Task::kObjectDetection, ""}, {Task::kCaption, ""}, {Task::kOcr, ""}};
  GenerationOptions generation;

  static constexpr size_t kMostFollowUps = 4;
};

// A model's own answers about some pictures: the reference that other models are compared with.
class FidelityReference {
 public:
  // Asks the model. `seen` is called for each picture, with the error if it cannot be read, else
  // null; unreadable pictures are skipped. Throws Error(kInvalidArgument) if none can be read, and
  // what CheckQuestions() throws.
  FidelityReference(std::shared_ptr<const Engine> engine,
                    std::span<const std::filesystem::path> pictures, FidelityOptions options,
                    const std::function<void(const Error*)>& seen);
  ~FidelityReference();
  FidelityReference(const FidelityReference&) = delete;
  FidelityReference& operator=(const FidelityReference&) = delete;

  size_t pictures() const;
  double seconds() const { return seconds_; }  // a picture, all its questions answered

  // Asks another model the same questions. `seen` is called after each picture.
  Fidelity Compare(const std::shared_ptr<const Engine>& engine,
                   const std::function<void()>& seen = {}) const;

  // Encodes the first pictures, at most `count`, with a model.
  std::vector<EncodedImage> Encode(const std::shared_ptr<const Engine>& engine, size_t count) const;
  // Computes only the divergence of next tokens, on these pictures.
  double Divergence(const std::shared_ptr<const Engine>& engine,
                    std::span<const EncodedImage> images) const;

 private:
  struct Picture;
  class Follower;

  Picture AskAbout(const std::filesystem::path& path, Follower& model) const;

  static void Lead(Follower& model, const Picture& picture, TokenAgreement& tokens);

  FidelityOptions options_;
  std::vector<Picture> pictures_;
  double seconds_ = 0;
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_FIDELITY_H_
