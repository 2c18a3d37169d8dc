#ifndef UFFIZI_KERNELS_RESAMPLE_ROWS_H_
#define UFFIZI_KERNELS_RESAMPLE_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace uffizi {

// Fractional bits of the fixed-point weights: 32 minus 8 for a pixel and 2 for sums outside 0..255,
// as in Pillow.
constexpr int kWeightBits = 22;

// Which input samples make each output sample of one dimension.
struct ResampleTaps {
  std::vector<int> first;        // [outputs] the first input sample
  std::vector<int> count;        // [outputs] how many, at most `stride`
  std::vector<int32_t> weights;  // [outputs, stride]
  int stride = 0;
};

// Horizontal pass over `rows` RGB rows, in_stride and out_stride bytes apart. Reads one byte past
// the last pixel of every row, which must exist.
void ResampleRowsHorizontally(const uint8_t* in, size_t in_stride, int rows,
                              const ResampleTaps& taps, uint8_t* out, size_t out_stride);

// Vertical pass for one output row: out[i] = sum over r of weights[r] * in[r * in_stride + i], for
// i < bytes.
void BlendRows(const uint8_t* in, size_t in_stride, const int32_t* weights, int count, size_t bytes,
               uint8_t* out);

}  // namespace uffizi

#endif  // UFFIZI_KERNELS_RESAMPLE_ROWS_H_
