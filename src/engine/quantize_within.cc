#include "engine/quantize_within.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "core/owned_files.h"
#include "engine/engine_impl.h"
#include "model/florence2.h"
#include "quantize/mixed_widths.h"
#include "quantize/model_card.h"
#include "quantize/new_model_folder.h"

namespace uffizi {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPicturesToOrderBy = 4;  // more than a hundred layers are each tried on them

class Widener {
 public:
  Widener(const MixedWidths& mixed, const fs::path& narrow, const FidelityReference& reference,
          const WithinOptions& options)
      : mixed_(mixed),
        reference_(reference),
        options_(options),
        narrow_(Engine::Load(narrow, {Compute::kInt4})) {}

  MeasuredFolder MeasureNarrow() const { return Measure(narrow_, "4 bits"); }

  // All units, ordered by gain per size, best first.
  std::vector<WithinReport::Unit> Order() {
    const std::vector<EncodedImage> images = reference_.Encode(narrow_, kPicturesToOrderBy);
    const double whole = reference_.Divergence(narrow_, images);
    std::vector<WithinReport::Unit> order;
    for (const MixedWidths::Unit& unit : mixed_.units()) {
      Say("trying " + unit.name + " in 8 bits", order.size(), mixed_.units().size());
      const auto engine = Widened({unit.weights.begin(), unit.weights.end()});
      // A decoder layer does not affect how a picture is encoded.
      const bool vision = unit.name.starts_with("model.vision_tower.");
      const double rest = reference_.Divergence(
          engine, vision ? reference_.Encode(engine, kPicturesToOrderBy) : images);
      order.push_back({unit.name, unit.elements, whole - rest, false});
    }
    std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
      return a.gain * static_cast<double>(b.elements) > b.gain * static_cast<double>(a.elements);
    });
    return order;
  }

  // Binary search for the fewest units, from the first on, that meet the bound; all units if none
  // do.
  size_t Widen(const std::vector<WithinReport::Unit>& order, MeasuredFolder& measured) {
    size_t failing = 0, holding = 1;
    const auto holds = [&](size_t count) {
      const auto engine = Widened(WeightsOf(order, count));
      MeasuredFolder now = Measure(engine, std::to_string(count) + " layers in 8 bits");
      const bool enough = now.fidelity.Loss() <= options_.max_loss;
      if (enough || count == order.size()) measured = std::move(now);
      return enough;
    };
    while (!holds(holding)) {
      if (holding == order.size()) return holding;
      failing = std::exchange(holding, std::min(2 * holding, order.size()));
    }
    while (holding - failing > 1) {
      const size_t middle = failing + (holding - failing) / 2;
      (holds(middle) ? holding : failing) = middle;
    }
    return holding;
  }

  std::set<std::string> WeightsOf(const std::vector<WithinReport::Unit>& order,
                                  size_t count) const {
    std::set<std::string> weights;
    for (size_t i = 0; i < count; ++i) {
      const auto unit =
          std::find_if(mixed_.units().begin(), mixed_.units().end(),
                       [&](const MixedWidths::Unit& u) { return u.name == order[i].name; });
      weights.insert(unit->weights.begin(), unit->weights.end());
    }
    return weights;
  }

 private:
  std::shared_ptr<const Engine> Widened(const std::set<std::string>& weights) const {
    return EngineLoader::WithNetwork(*narrow_,
                                     Florence2::Load(mixed_.Mix(weights), Arithmetic::kInt4));
  }

  MeasuredFolder Measure(const std::shared_ptr<const Engine>& engine,
                         const std::string& what) const {
    size_t done = 0;
    return {engine->info(), reference_.Compare(engine, [&] {
              Say("asking " + what, ++done, reference_.pictures());
            })};
  }

  void Say(const std::string& what, size_t done, size_t all) const {
    if (options_.progress) {
      options_.progress(what, static_cast<double>(done) / static_cast<double>(all));
    }
  }

  const MixedWidths& mixed_;
  const FidelityReference& reference_;
  const WithinOptions& options_;
  const std::shared_ptr<const Engine> narrow_;
};

void WriteCard(const fs::path& from, const fs::path& folder, const std::string& section) {
  const fs::path card = folder / kCardFile;
  WriteFile(card, MakeModelCard(from, section), {IdentityOf(card), false, {}});
}

FolderReport WriteVariant(const fs::path& from, const fs::path& to, bool wide,
                          const WithinOptions& options) {
  QuantizeFolderOptions folder = options.folder;
  folder.keep_wide = wide;
  folder.progress = [&](const std::string& name, size_t done, size_t total) {
    if (!options.progress) return;
    options.progress((wide ? "copying " : "quantizing ") + name,
                     static_cast<double>(done) / static_cast<double>(total));
  };
  return WriteQuantized(from, to, folder);
}

// Records in the report which layers are wide, and the size that is written.
void NoteWidened(const std::set<std::string>& weights, const fs::path& folder,
                 FolderReport& report) {
  for (LayerReport& layer : report.layers) {
    if (weights.contains(layer.name)) layer = {layer.name, layer.shape, 16, 0.0};
  }
  report.bytes_after = 0;
  const Checkpoint written = Checkpoint::Open(folder);
  for (const auto& [name, tensor] : written.tensors()) {
    report.bytes_after += tensor.bytes;
  }
}

}  // namespace

WithinReport QuantizeWithin(const fs::path& from, const fs::path& to,
                            const FidelityReference& reference, const WithinOptions& options) {
  CheckQuantizeSource(from);
  CheckQuantizeTarget(to, options.folder.overwrite);
  const NewModelFolder folder(to);
  const fs::path narrow = folder.MakeScratch("narrow"), wide = folder.MakeScratch("wide");
  WithinReport report;
  report.max_loss = options.max_loss;
  report.folder = WriteVariant(from, narrow, false, options);
  WriteVariant(from, wide, true, options);
  const MixedWidths mixed(narrow, wide);
  Widener widener(mixed, narrow, reference, options);
  report.narrow = report.written = widener.MeasureNarrow();
  std::set<std::string> weights;
  if (report.narrow.fidelity.Loss() > options.max_loss && !mixed.units().empty()) {
    report.units = widener.Order();
    const size_t count = widener.Widen(report.units, report.written);
    weights = widener.WeightsOf(report.units, count);
    for (size_t i = 0; i < count; ++i) report.units[i].widened = true;
  }
  report.holds = report.written.fidelity.Loss() <= options.max_loss;
  mixed.Write(weights, folder.part());
  NoteWidened(weights, folder.part(), report.folder);
  report.written.info.path = to.string();
  report.written.info.weight_bytes = report.folder.bytes_after;
  WriteCard(from, folder.part(), options.card(report));
  folder.Finish(options.replace_card);
  return report;
}

}  // namespace uffizi
