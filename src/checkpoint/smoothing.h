#ifndef UFFIZI_CHECKPOINT_SMOOTHING_H_
#define UFFIZI_CHECKPOINT_SMOOTHING_H_

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "checkpoint/column_moments.h"
#include "checkpoint/config.h"
#include "checkpoint/smoothing_factors.h"
#include "checkpoint/smoothing_sites.h"
#include "checkpoint/weight_matrix.h"

namespace uffizi {

class WeightReader;

// What is done to the columns of activations before they become codes, and undone in the weights
// that read them: x[c] becomes (x[c] - shift[c]) * factor[c].
struct InputSmoothing {
  FloatTensor shift, factor;  // [columns] f32
  // Mean squares of what then enters, [columns], for the choice of scales.
  std::vector<float> importance;
  // Whether the layer that makes the activations has done it already (see OutputSmoothing).
  bool done_by_producer = false;

  bool empty() const { return factor.empty(); }
};

// What is done to a layer's output where nothing but the layer itself has to change for it:
// y[r] becomes (y[r] - shift[r]) * factor[r].
struct OutputSmoothing {
  std::vector<float> shift, factor;  // [rows], or empty
};

// Smoothing: activations of neighbouring columns become about equally large, and so do the weights
// that read them, before either is rounded to a few bits. The network's function stays the same.
// How large activations are is told by weights and norms alone (column_moments.h), unless it was
// measured on pictures. Weights that are stored quantized are not changed: their activations are
// only shifted. All throw Error(kInvalidModel) naming file and tensor.
class Smoothing {
 public:
  // Moments by the name of a weight that they enter.
  using Measured = std::map<std::string, ColumnMoments>;

  // The reader outlives it. `widths` of the weights.
  Smoothing(const WeightReader& reader, const ModelConfig& config, const Widths& widths,
            Measured measured = {});

  // Of what enters the linear layer with this weight; empty if nothing is known about it.
  const InputSmoothing& Input(const std::string& weight);

  // The same for the one reader of a site, whose weights are read already. `columns` are those of
  // the activations. values: [rows, columns] f32
  InputSmoothing InputOf(const std::string& weight, const float* values, size_t rows,
                         size_t columns, const Widths& widths);

  // To be called with a layer's values where they are at hand, so that they need not be read again
  // when something is asked about the layers behind it. bias may be empty
  void Learn(const std::string& weight, const FloatTensor& values, const FloatTensor& bias);

  // Of what this layer gives; `rows` of it are expected.
  OutputSmoothing Output(const std::string& weight, size_t rows);

  const std::vector<SmoothingSite>& sites() const { return sites_.inputs; }

  // Of what enters a site's readers, as it is.
  ColumnMoments InputMoments(const SmoothingSite& site);

 private:
  // What enters a site's readers: what is taken off, and the root mean squares of what is left.
  struct Activations {
    std::vector<float> shift, sizes;  // [columns]
  };

  const SmoothingSite* SiteOf(const std::string& weight) const;
  Activations Describe(const SmoothingSite& site);
  static InputSmoothing Make(const SmoothingSite& site, const Activations& activations,
                             std::vector<float> factors);
  const ColumnMoments& OutputMoments(const std::string& layer);
  void CheckReaders(const SmoothingSite& site, size_t columns) const;
  [[noreturn]] void Misfit(const std::string& weight) const;
  std::vector<float> ReadersFactors(const SmoothingSite& site,
                                    const Activations& activations) const;

  const WeightReader& reader_;
  ModelConfig config_;
  Widths widths_;
  Measured measured_;
  SmoothingSites sites_;
  std::map<std::string, const SmoothingSite*> by_reader_;
  std::set<std::string> producers_;  // layers whose output is asked about
  std::map<const SmoothingSite*, InputSmoothing> inputs_;
  std::map<std::string, ColumnMoments> outputs_;  // by layer, "...fc1"
};

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_SMOOTHING_H_
