#ifndef UFFIZI_CHECKPOINT_SMOOTHING_FACTORS_H_
#define UFFIZI_CHECKPOINT_SMOOTHING_FACTORS_H_

#include <cstddef>
#include <vector>

namespace uffizi {

// The rows of weights that factors are found from, of `rows` in all: evenly spread, not too many.
std::vector<size_t> SampledRows(size_t rows);

// How weights will be quantized.
struct Widths {
  int bits = 4;            // of weights
  size_t group_size = 64;  // weights of a row that share a scale
};

// Factors by which to divide the columns of activations, [columns], while those of the weights are
// multiplied by them, with a geometric mean of 1.
//
// They are a^p w^-q for the size a (root mean square) of a column of activations (arXiv 2211.10438
// has p = q = 1/2) and the root mean square w of a column of weights, with the p and q that make
// least an estimate of the error that rounding both leaves in the products: all factors are 1 if
// nothing tried is better. The columns of each `mixed` neighbours get the same.
// activations: [columns] f32; rows: [any number, columns] f32, of the weights that read them
std::vector<float> ChooseSmoothingFactors(std::vector<float> activations, std::vector<float> rows,
                                          const Widths& widths, size_t mixed = 1);

}  // namespace uffizi

#endif  // UFFIZI_CHECKPOINT_SMOOTHING_FACTORS_H_
