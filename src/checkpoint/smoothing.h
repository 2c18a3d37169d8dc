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

// The transform of activation columns before quantization, which is undone in the weights that read
// them: x[c] becomes (x[c] - shift[c]) * factor[c].
struct InputSmoothing {
  FloatTensor shift, factor;  // [columns] f32
  // Mean squares of the transformed activations, [columns], for the choice of scales.
  std::vector<float> importance;
  // Whether the layer that produces the activations already applies the transform (see
  // OutputSmoothing).
  bool done_by_producer = false;

  bool empty() const { return factor.empty(); }
};

// The transform of a layer's output that is folded into the layer itself:
// y[r] becomes (y[r] - shift[r]) * factor[r].
struct OutputSmoothing {
  std::vector<float> shift, factor;  // [rows], or empty
};

// Smoothing makes the columns of activations, and of the weights that read them, about equally
// large before either is rounded to a few bits. The network's function stays the same. The sizes of
// activations are estimated from weights and norms alone (column_moments.h), unless they were
// measured on pictures. Weights that are stored quantized are not changed: their activations are
// only shifted. All throw Error(kInvalidModel) naming file and tensor.
class Smoothing {
 public:
  // Moments of the input of each weight, by its name.
  using Measured = std::map<std::string, ColumnMoments>;

  // The reader must outlive the object. `widths` are those of the weights.
  Smoothing(const WeightReader& reader, const ModelConfig& config, const Widths& widths,
            Measured measured = {});

  // The smoothing of the input of the linear layer with this weight; empty if nothing is known
  // about it.
  const InputSmoothing& Input(const std::string& weight);

  // Like Input(), for the only reader of a site, whose weights have already been read. `columns`
  // are those of the activations. values: [rows, columns] f32
  InputSmoothing InputOf(const std::string& weight, const float* values, size_t rows,
                         size_t columns, const Widths& widths);

  // Call this with a layer's values when they have been read, so that they need not be read again
  // for the layers after it. bias may be empty
  void Learn(const std::string& weight, const FloatTensor& values, const FloatTensor& bias);
  void Learn(const std::string& weight, const QuantizedMatrix& matrix, const FloatTensor& bias);

  // The smoothing of this layer's output, which has `rows` rows.
  OutputSmoothing Output(const std::string& weight, size_t rows);

  const std::vector<SmoothingSite>& sites() const { return sites_.inputs; }

  // Of what enters a site's readers, as it is.
  ColumnMoments InputMoments(const SmoothingSite& site);

 private:
  // The inputs of a site's readers: the shift, and the root mean squares after it.
  struct Activations {
    std::vector<float> shift, sizes;  // [columns]
  };

  const SmoothingSite* SiteOf(const std::string& weight) const;
  Activations Describe(const SmoothingSite& site);
  static InputSmoothing Make(const SmoothingSite& site, const Activations& activations,
                             std::vector<float> factors);
  const ColumnMoments& OutputMoments(const std::string& layer);
  // Whether the output of the layer with this weight is needed and unknown.
  bool MustLearn(const std::string& weight) const;
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
  std::set<std::string> producers_;  // layers whose output has been requested
  std::map<const SmoothingSite*, InputSmoothing> inputs_;
  std::map<std::string, ColumnMoments> outputs_;  // by layer, "...fc1"
};

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_SMOOTHING_H_
