#ifndef UFFIZI_KERNELS_GPTQ_H_
#define UFFIZI_KERNELS_GPTQ_H_

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/quantized_matrix.h"

namespace uffizi {

// Chooses new codes for a quantized matrix, with its scales and zero points unchanged, to minimize
// the change of the layer's outputs. Columns are rounded one after another, and each compensates
// for the effect on the outputs of rounding the previous ones (GPTQ, arXiv 2210.17323; the
// factorization is that of LDLQ, arXiv 2307.13304). Columns with the largest inputs come first.
// w: [rows, columns] f32, the weights that `matrix` approximates; products: [columns, columns], the
// mean of x x^T over inputs x of the layer
void RoundByProducts(const float* w, std::vector<float> products, QuantizedMatrix& matrix);

// Root mean square of the error that rounding causes in a layer's outputs, relative to that of the
// outputs.
// w, rounded: [rows, columns] f32; products: [columns, columns]
double OutputError(const float* w, const float* rounded, size_t rows, size_t columns,
                   std::span<const float> products);

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_GPTQ_H_
