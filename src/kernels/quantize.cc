#include "kernels/quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <string>

#include "core/half.h"
#include "core/parallel.h"
#include "kernels/factor_search.h"
#include "kernels/scale_search.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

constexpr size_t kCandidates = ScaleCandidates::kCount;
constexpr size_t kGrain = size_t{1} << 14;  // smallest number of weights for a task
// A group whose largest weight is below this is treated as zero: its reciprocal would overflow.
constexpr float kLeastMagnitude = 0x1p-120f;

// How scales are stored: see Quantize().
using RoundScale = float (*)(float);
float RoundToHalf(float scale) { return HalfToFloat(FloatToHalf(scale)); }
float RoundToBfloat16(float scale) { return Bfloat16ToFloat(FloatToBfloat16(scale)); }

// The largest absolute value; 0 of nothing.
float Magnitude(const float* w, size_t count) {
  // As integers, the bits of positive floats have the same order, and the compiler can vectorize
  // their maximum.
  std::vector<int32_t> largest((count + kGrain - 1) / kGrain);
  ParallelFor(largest.size(), 4, [&](size_t first, size_t last) {
    for (size_t piece = first; piece < last; ++piece) {
      const size_t begin = piece * kGrain, end = std::min(begin + kGrain, count);
      int32_t most = 0;
      for (size_t i = begin; i < end; ++i) {
        most = std::max(most, std::bit_cast<int32_t>(w[i]) & 0x7fffffff);
      }
      largest[piece] = most;
    }
  });
  const auto most = std::max_element(largest.begin(), largest.end());
  return most == largest.end() ? 0.0f : std::bit_cast<float>(*most);
}

RoundScale ChooseRounding(const float* w, size_t count) {
  const float magnitude = Magnitude(w, count);
  // Half precision is exact to 11 bits from 2^-14 to 65504. A group with a smaller scale loses
  // precision, but its error is negligible compared with that of the matrix's largest groups.
  return magnitude > 0x1p-6f && magnitude < 0x1p18f ? RoundToHalf : RoundToBfloat16;
}

// The grid of one group: scale * (code - zero).
struct GroupGrid {
  float scale;
  int zero;
};

// Finds the grids of groups. Holds scratch memory, which is reused from group to group.
class GroupQuantizer {
 public:
  GroupQuantizer(const QuantizeOptions& options, size_t group_size, RoundScale round)
      : levels_(1 << options.bits),
        symmetric_(options.symmetric),
        search_(options.search),
        round_(round),
        scaled_(group_size),
        ones_(group_size, 1.0f),
        importance_(group_size, 1.0f) {}

  // importance: [group_size], or null
  GroupGrid Find(const float* w, const float* importance) {
    if (!search_ && symmetric_) return SpanAll(w);
    const auto [low, high] = std::minmax_element(w, w + scaled_.size());
    low_ = std::min(*low, 0.0f);
    high_ = std::max(*high, 0.0f);
    const float magnitude = std::max(-low_, high_);
    const int centre = levels_ / 2;
    if (magnitude < kLeastMagnitude) return {0.0f, centre};
    // Scaled to a largest weight of 1, so that no square overflows or underflows.
    magnitude_ = magnitude;
    low_ /= magnitude;
    high_ /= magnitude;
    for (size_t i = 0; i < scaled_.size(); ++i) scaled_[i] = w[i] / magnitude;
    if (const auto scale = OwnScale()) return {*scale, centre};
    const float* weights = ScaleImportance(importance);

    ScaleCandidates candidates;
    int zeros[kCandidates];
    Spread(candidates, zeros);
    float fits[kCandidates], errors[kCandidates];
    FitScales(scaled_.data(), weights, scaled_.size(), candidates, fits);
    // The last candidate remains the one of plain rounding to nearest.
    for (size_t c = 0; c + 1 < kCandidates; ++c) Set(candidates, zeros, c, fits[c], zeros[c]);
    ScaleErrors(scaled_.data(), weights, scaled_.size(), candidates, errors);
    const size_t best =
        static_cast<size_t>(std::min_element(errors, errors + kCandidates) - errors);
    return {round_(candidates.scale[best] * magnitude), zeros[best]};
  }

 private:
  // The grid that spans the group.
  GroupGrid SpanAll(const float* w) const {
    uint32_t largest = 0;  // magnitudes of floats are ordered as their bits are
    for (size_t i = 0; i < scaled_.size(); ++i) {
      largest = std::max(largest, std::bit_cast<uint32_t>(w[i]) & 0x7fffffffu);
    }
    const auto magnitude = std::bit_cast<float>(largest);
    if (magnitude < kLeastMagnitude) return {0.0f, levels_ / 2};
    return {round_(2.0f / static_cast<float>(levels_ - 1) * magnitude), levels_ / 2};
  }

  // The scale of a group whose weights are already multiples of one, as those are that were widened
  // from 4 bits, if it is one that candidates do not reach: with fewer codes than there are. Not
  // looked for in 8 bits, where rounding again changes little.
  std::optional<float> OwnScale() const {
    if (!symmetric_ || levels_ != 16) return std::nullopt;
    constexpr float kTolerance = 0.02f;  // of a code: more than half precision rounds
    for (int largest = 1; largest < levels_ / 2 - 1; ++largest) {
      const auto codes = static_cast<float>(largest);
      size_t zeros = 0;
      const bool own = std::all_of(scaled_.begin(), scaled_.end(), [&](float w) {
        zeros += std::abs(w * codes) < kTolerance;
        return std::abs(w * codes - std::round(w * codes)) < kTolerance;
      });
      // Weights beside one that is far larger would all be zero.
      if (!own || zeros > scaled_.size() / 2) continue;
      const float scale = round_(magnitude_ / codes);
      if (std::isfinite(scale)) return scale;
    }
    return std::nullopt;
  }

  // Importance scaled to a maximum of 1; all equal if none is given.
  const float* ScaleImportance(const float* importance) {
    if (importance == nullptr) return ones_.data();
    const float greatest = *std::max_element(importance, importance + importance_.size());
    if (!(greatest > 0.0f)) return ones_.data();
    for (size_t i = 0; i < importance_.size(); ++i) importance_[i] = importance[i] / greatest;
    return importance_.data();
  }

  void Set(ScaleCandidates& candidates, int* zeros, size_t at, float scale, int zero) const {
    scale = round_(scale * magnitude_) / magnitude_;
    const float inverse = 1.0f / scale;
    candidates.scale[at] = scale;
    candidates.inverse[at] = std::isfinite(inverse) ? inverse : 0.0f;
    candidates.low[at] = static_cast<float>(-zero);
    candidates.high[at] = static_cast<float>(levels_ - 1 - zero);
    zeros[at] = zero;
  }

  // Candidates from a grid wider than the group to one that clips its largest weights.
  void Spread(ScaleCandidates& candidates, int* zeros) const {
    const float steps = static_cast<float>(levels_ - 1);
    const float range = symmetric_ ? 2.0f : high_ - low_;
    const float clip = levels_ == 16 ? 0.30f : 0.06f;  // of the range, at most
    const float centre = symmetric_ ? static_cast<float>(levels_ / 2) : -low_ / range * steps;
    for (size_t c = 0; c + 1 < kCandidates; ++c) {
      const size_t of = symmetric_ ? kCandidates - 1 : kCandidates / 2;
      const size_t step = symmetric_ ? c : c / 2;
      const float part = static_cast<float>(step) / static_cast<float>(of);
      const float scale = range / steps * (1.06f - (0.06f + clip) * part);
      const float zero = symmetric_ || c % 2 == 0 ? std::floor(centre) : std::ceil(centre);
      Set(candidates, zeros, c, scale, static_cast<int>(zero));
    }
    Set(candidates, zeros, kCandidates - 1, range / steps, static_cast<int>(std::round(centre)));
  }

  int levels_;
  bool symmetric_, search_;
  RoundScale round_;
  float magnitude_ = 0, low_ = 0,
        high_ = 0;  // the group's range, including 0, relative to its magnitude
  std::vector<float> scaled_, ones_, importance_;
};

// codes: [count] of 0 .. levels - 1
void RoundToCodes(const float* w, size_t count, GroupGrid grid, int levels, uint8_t* codes) {
  const float inverse = 1.0f / grid.scale;
  if (!std::isfinite(inverse)) {
    std::fill_n(codes, count, static_cast<uint8_t>(grid.zero));
    return;
  }
  const auto low = static_cast<float>(-grid.zero);
  const auto high = static_cast<float>(levels - 1 - grid.zero);
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  for (size_t i = 0; i < count; ++i) {
    const float steps = std::min(std::max(w[i] * inverse, low), high);
    codes[i] = static_cast<uint8_t>(static_cast<int>((steps + kShift) - kShift) + grid.zero);
  }
}

void Check(size_t columns, const QuantizeOptions& options, size_t group_size,
           std::span<const float> importance) {
  const auto fail = [](const std::string& reason) {
    throw Error(ErrorCode::kInvalidArgument, "quantize: " + reason);
  };
  if (options.bits != 4 && options.bits != 8) fail("bits must be 4 or 8");
  if (columns == 0 || columns % group_size != 0) {
    fail("groups of " + std::to_string(group_size) + " do not divide " + std::to_string(columns) +
         " columns");
  }
  if (columns * static_cast<size_t>(options.bits) % 8 != 0) {
    fail("an odd number of columns needs 8 bits");
  }
  if (!importance.empty() && importance.size() != columns) {
    fail("importance must be given for each column");
  }
}

}  // namespace

QuantizeOptions FittingOptions(const QuantizeOptions& options, size_t columns) {
  if (options.group_size == 0 ? columns % 2 == 0 : columns % options.group_size == 0) {
    return options;
  }
  return {8, 0, options.symmetric};
}

QuantizedMatrix Quantize(const float* w, size_t rows, size_t columns,
                         const QuantizeOptions& options, std::span<const float> importance) {
  const size_t group_size = options.group_size == 0 ? columns : options.group_size;
  Check(columns, options, group_size, importance);
  QuantizedMatrix matrix;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.bits = options.bits;
  matrix.group_size = group_size;
  const size_t groups = matrix.groups(), row_bytes = matrix.row_bytes();
  matrix.codes.resize(rows * row_bytes);
  matrix.scales.resize(rows * groups);
  if (!options.symmetric) matrix.zeros.resize(rows * groups);
  const RoundScale round = ChooseRounding(w, rows * columns);
  const bool factors = options.factors && options.bits == 4 && options.symmetric &&
                       group_size % 64 == 0 && round == RoundToHalf;
  ParallelFor(rows, std::max<size_t>(1, kGrain / columns), [&](size_t begin, size_t end) {
    GroupQuantizer quantizer(options, group_size, round);
    FactorSearch factor_search(group_size);
    std::vector<GroupGrid> grids(groups);
    std::vector<uint8_t> codes(columns);
    for (size_t r = begin; r < end; ++r) {
      const float* row = w + r * columns;
      float* scales = matrix.scales.data() + r * groups;
      for (size_t g = 0; g < groups; ++g) {
        const float* weights = importance.empty() ? nullptr : importance.data() + g * group_size;
        grids[g] = quantizer.Find(row + g * group_size, weights);
        scales[g] = grids[g].scale;
      }
      if (factors) {
        factor_search.Find(row, importance.empty() ? nullptr : importance.data(), {scales, groups});
      }
      for (size_t g = 0; g < groups; ++g) {
        grids[g].scale = scales[g];
        if (!options.symmetric) matrix.zeros[r * groups + g] = static_cast<uint8_t>(grids[g].zero);
        RoundToCodes(row + g * group_size, group_size, grids[g], 1 << options.bits,
                     codes.data() + g * group_size);
      }
      uint8_t* out = matrix.codes.data() + r * row_bytes;
      if (options.bits == 8) {
        std::copy(codes.begin(), codes.end(), out);
      } else {
        for (size_t i = 0; i < row_bytes; ++i) {
          out[i] = static_cast<uint8_t>(codes[2 * i] | codes[2 * i + 1] << 4);
        }
      }
    }
  });
  return matrix;
}

void Dequantize(const QuantizedMatrix& matrix, float* out) {
  const size_t columns = matrix.columns;
  ParallelFor(matrix.rows, std::max<size_t>(1, kGrain / columns), [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r) DequantizeRow(matrix, r, out + r * columns);
  });
}

void DequantizeRow(const QuantizedMatrix& matrix, size_t row, float* out) {
  const size_t groups = matrix.groups(), size = matrix.group_size;
  const uint8_t* codes = matrix.codes.data() + row * matrix.row_bytes();
  // Codes of 4 bits are widened first: the compiler can vectorize both loops, but not one for both.
  std::vector<uint8_t> widened;
  if (matrix.bits == 4) {
    widened.resize(matrix.columns);
    for (size_t i = 0; i < matrix.row_bytes(); ++i) {
      widened[2 * i] = codes[i] & 15;
      widened[2 * i + 1] = codes[i] >> 4;
    }
    codes = widened.data();
  }
  for (size_t g = 0; g < groups; ++g) {
    const size_t i = row * groups + g;
    const float scale = matrix.scales[i];
    const int zero = matrix.zeros.empty() ? matrix.symmetric_zero() : matrix.zeros[i];
    for (size_t at = g * size; at < (g + 1) * size; ++at) {
      out[at] = scale * static_cast<float>(codes[at] - zero);
    }
  }
}

}  // namespace uffizi
