#ifndef UFFIZI_TESTS_SUPPORT_COSINE_H_
#define UFFIZI_TESTS_SUPPORT_COSINE_H_

#include <cmath>
#include <cstddef>
#include <vector>

namespace uffizi::testing {

// Of the angle between two vectors of the same length.
inline double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

}  // namespace uffizi::testing

#endif  // UFFIZI_TESTS_SUPPORT_COSINE_H_
