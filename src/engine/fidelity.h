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

#include "uffizi/engine.h"
#include "uffizi/error.h"
#include "uffizi/task.h"

namespace uffizi {

struct TokenAgreement;

// How the answers to one task agree with those of the reference.
struct TaskFidelity {
  Task task = Task::kRaw;
  size_t answers = 0, exact = 0;  // exact: the very same answer
  // Of tasks that answer in boxes.
  size_t truths = 0, found = 0;  // boxes
  std::optional<double> ap50;    // 0..1; nothing if the reference found no boxes
  // Of tasks that answer in text.
  size_t edits = 0, characters = 0;  // characters: of the reference's answers

  bool in_boxes() const;
  // In points of 100: what AP50 lacks, or edits for each 100 characters; none if there is nothing
  // to compare with.
  std::optional<double> Loss() const;
};

// What another arithmetic, or a smaller folder, changes in a model's answers.
struct Fidelity {
  size_t pictures = 0;
  std::vector<TaskFidelity> tasks;
  // Next tokens, when the model is led along the reference's answers: how many there are, how many
  // are the same, and the mean Kullback-Leibler divergence from the reference, nats.
  size_t tokens = 0, same_tokens = 0;
  double divergence = 0;
  double seconds = 0;  // a picture, all its questions answered

  // The largest of the tasks' losses, points of 100.
  double Loss() const;
};

struct FidelityOptions {
  // Of those that take only a picture and answer in boxes or text.
  std::vector<Task> tasks = {Task::kObjectDetection, Task::kCaption, Task::kOcr};
  GenerationOptions generation;
};

// Throws Error(kInvalidArgument) for tasks that cannot be compared.
void CheckFidelityTasks(std::span<const Task> tasks);

// A model's own answers about some pictures: the truth that others are compared with.
class FidelityReference {
 public:
  // Asks the model. `seen` is told of each picture, with the error of one that cannot be read, else
  // null; these are left out. Throws Error(kInvalidArgument) if none can be read, and for tasks
  // that cannot be compared.
  FidelityReference(std::shared_ptr<const Engine> engine,
                    std::span<const std::filesystem::path> pictures, FidelityOptions options,
                    const std::function<void(const Error*)>& seen);
  ~FidelityReference();
  FidelityReference(const FidelityReference&) = delete;
  FidelityReference& operator=(const FidelityReference&) = delete;

  size_t pictures() const;
  double seconds() const { return seconds_; }  // a picture, all its questions answered

  // Asks another model the same. `seen` is called after each picture.
  Fidelity Compare(const std::shared_ptr<const Engine>& engine,
                   const std::function<void()>& seen = {}) const;

  // The first pictures, `count` at most, as a model sees them.
  std::vector<EncodedImage> Encode(const std::shared_ptr<const Engine>& engine, size_t count) const;
  // Only the divergence of next tokens, on these pictures.
  double Divergence(const std::shared_ptr<const Engine>& engine,
                    std::span<const EncodedImage> images) const;

 private:
  struct Picture;
  class Follower;

  static void Lead(Follower& model, const Picture& picture, std::span<TokenAgreement> tokens);

  FidelityOptions options_;
  std::vector<Picture> pictures_;
  double seconds_ = 0;
};

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_FIDELITY_H_
