#ifndef UFFIZI_GENERATE_ROW_SCAN_H_
#define UFFIZI_GENERATE_ROW_SCAN_H_

#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace uffizi {

// Operations of a search on whole rows of the vocabulary (about 51,000 numbers, once per row and
// step).

inline constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Where ExpOfNegative() reaches 0: about 2^-127, whose exponent bits are those of 0.
inline constexpr float kLeastExponent = -88.0f;

// e^x for kLeastExponent <= x <= 0, with a relative error of 2e-7 down to -87; NaN for NaN. Cephes'
// polynomial on [-ln2/2, ln2/2]. The power of two is written into the exponent bits. A call, a
// branch, or clamping x in the same loop would prevent vectorization.
inline float ExpOfNegative(float x) {
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = x * 1.44269504f + kShift;
  const float n = shifted - kShift;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const uint32_t exponent = std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kShift);
  return p * std::bit_cast<float>((exponent + 127u) << 23);
}

// The first index of the greatest value, -1 if every value is -inf.
int ArgMax(std::span<const float> row);

// A possible next token of one row.
struct Candidate {
  float score;
  int row;
  int token;
};

// The best `capacity` candidates of several rows. Among equal scores the earlier row and token win,
// so that the result is deterministic. Allocates only in the constructor.
class BestCandidates {
 public:
  explicit BestCandidates(int capacity);

  void Clear();

  // Offers a candidate, which is ignored if its score is -inf. Candidates must come in the order of
  // rows and tokens.
  void Offer(const Candidate& candidate);

  // Offers every token of a row, with score row[token] + offset.
  void OfferRow(int row_index, std::span<const float> row, float offset);

  // Returns the candidates, best first. Call it once, and then Clear().
  std::span<const Candidate> Sort();

 private:
  size_t capacity_;
  float bar_ = kMinusInfinity;   // a score must be above it to get in
  std::vector<Candidate> heap_;  // worst first
};

}  // namespace uffizi

#endif  // UFFIZI_GENERATE_ROW_SCAN_H_
