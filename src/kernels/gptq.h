#ifndef UFFIZI_KERNELS_GPTQ_H_
#define UFFIZI_KERNELS_GPTQ_H_

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/quantized_matrix.h"

namespace uffizi {

// Chooses the codes of a quantized matrix anew, its scales and zero points as they are, so that
// what the layer gives changes least: columns are rounded one after another, and each makes up for
// what rounding those before it did to the layer's outputs (GPTQ, arXiv 2210.17323; the factor of
// the products is that of LDLQ, arXiv 2307.13304). Columns go by what enters them, the most first.
// w: [rows, columns] f32, what `matrix` is of; products: [columns, columns], the mean of x x^T over
// inputs x of the layer
void RoundByProducts(const float* w, std::vector<float> products, QuantizedMatrix& matrix);

// Root mean square of what rounding does to a layer's outputs, over that of the outputs.
// w, rounded: [rows, columns] f32; products: [columns, columns]
double OutputError(const float* w, const float* rounded, size_t rows, size_t columns,
                   std::span<const float> products);

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_GPTQ_H_
