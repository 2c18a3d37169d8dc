#ifndef UFFIZI_ENGINE_QUANTIZE_WITHIN_H_
#define UFFIZI_ENGINE_QUANTIZE_WITHIN_H_

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/fidelity.h"
#include "quantize/quantize_folder.h"
#include "uffizi/engine.h"

namespace uffizi {

// A folder and its measurements.
struct MeasuredFolder {
  EngineInfo info;
  Fidelity fidelity;
};

// What QuantizeWithin() did.
struct WithinReport {
  // Layers that read the same input, and how much widening only them reduces the divergence of next
  // tokens. In the order in which layers are widened.
  struct Unit {
    std::string name;
    size_t elements = 0;
    double gain = 0;
    bool widened = false;
  };

  FolderReport folder;  // of the folder that was written
  MeasuredFolder narrow, written;
  std::vector<Unit> units;  // empty if nothing had to be widened
  double max_loss = 0;
  bool holds = false;
};

struct WithinOptions {
  QuantizeFolderOptions folder;
  double max_loss = 1;  // points, see Fidelity::Loss()
  // Called with the current step and the fraction of it that is done, 0..1.
  std::function<void(const std::string& what, std::optional<double> share)> progress;
  // Returns the text of the folder's model card, which precedes that of the model's own card.
  std::function<std::string(const WithinReport&)> card;
  bool replace_card = false;  // in an existing folder, even if somebody wrote or changed it
};

// Writes a folder as QuantizeFolder() does. If its loss exceeds `max_loss`, layers are widened to 8
// bits until it does not. Each is tried alone, and those that reduce the divergence of next tokens
// most for their size come first. If the loss is too large even with all of them, all are widened.
// Throws what QuantizeFolder() and Engine::Load() throw.
WithinReport QuantizeWithin(const std::filesystem::path& from, const std::filesystem::path& to,
                            const FidelityReference& reference, const WithinOptions& options);

}  // namespace uffizi

#endif  // UFFIZI_ENGINE_QUANTIZE_WITHIN_H_
