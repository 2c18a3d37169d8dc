// One panel of a packed matrix, as the kernels read it.

#if defined(UFFIZI_KERNELS_PANEL_VIEW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef UFFIZI_KERNELS_PANEL_VIEW_INL_H_
#undef UFFIZI_KERNELS_PANEL_VIEW_INL_H_
#else
#define UFFIZI_KERNELS_PANEL_VIEW_INL_H_
#endif

#include "kernels/blocking.h"
#include "kernels/kernels.h"
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace uffizi {
namespace HWY_NAMESPACE {

constexpr size_t kPanel = PackedMatrix::kPanelRows;
constexpr size_t kBlockBytes = PackedMatrix::kBlockBytes;

// A panel in its packed form, or with its nibbles unpacked to bytes.
struct PanelView {
  const uint8_t* codes;  // of the first group
  size_t code_stride;    // bytes from group to group
  const uint8_t* scales;
  size_t scale_stride;
  size_t blocks;  // in a group
  int zero;       // of a symmetric matrix
  bool symmetric;
  size_t prefetch;  // distance in bytes; 0 for none
};

// Some of the groups that a product sums.
struct GroupRange {
  size_t begin, end;
};

}  // namespace HWY_NAMESPACE
}  // namespace uffizi
HWY_AFTER_NAMESPACE();

#endif  // UFFIZI_KERNELS_PANEL_VIEW_INL_H_
