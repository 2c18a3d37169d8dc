#ifndef UFFIZI_CHECKPOINT_SMOOTHING_FACTORS_H_
#define UFFIZI_CHECKPOINT_SMOOTHING_FACTORS_H_

#include <cstddef>
#include <vector>

namespace uffizi {

// Indices of the rows of weights from which factors are computed: a limited number, evenly spread
// over `rows`.
std::vector<size_t> SampledRows(size_t rows);

// How the weights will be quantized.
struct Widths {
  int bits = 4;            // of weights
  size_t group_size = 64;  // weights of a row that share a scale
};

// Factors by which to divide the columns of activations, [columns], while those of the weights are
// multiplied by them, with a geometric mean of 1.
//
// They are a^p w^-q for the size a (root mean square) of a column of activations (arXiv 2211.10438
// has p = q = 1/2) and the root mean square w of a column of weights, with the p and q that
// minimize an estimate of the products' error when both are rounded. All factors are 1 if no
// candidate is better. That is usual for weights that already are multiples of scales, since other
// factors would round them again. Each `mixed` neighbouring columns get the same factor.
// activations: [columns] f32; rows: [any number, columns] f32, of the weights that read them
std::vector<float> ChooseSmoothingFactors(std::vector<float> activations, std::vector<float> rows,
                                          const Widths& widths, size_t mixed = 1);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_SMOOTHING_FACTORS_H_
