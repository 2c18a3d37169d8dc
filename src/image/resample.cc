#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "core/parallel.h"
#include "image/preprocess.h"
#include "kernels/resample_rows.h"
#include "uffizi/error.h"

namespace uffizi {
namespace {

double Sinc(double x) {
  if (x == 0) return 1;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

// The filters' curves, as Pillow defines them.
double Box(double x) { return x > -0.5 && x <= 0.5 ? 1 : 0; }
double Bilinear(double x) { return std::max(0.0, 1 - std::abs(x)); }
double Hamming(double x) {
  x = std::abs(x);
  if (x >= 1) return 0;
  // Pillow's constants are floats.
  return x == 0 ? 1 : Sinc(x) * (0.54f + 0.46f * std::cos(x * std::numbers::pi));
}
// Keys' cubic convolution (1981) with a = -0.5.
double Bicubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}
double Lanczos(double x) { return x >= -3 && x < 3 ? Sinc(x) * Sinc(x / 3) : 0; }

struct FilterCurve {
  double (*value)(double);
  double support;  // the curve's extent, in input pixels without reduction
};

FilterCurve Curve(ResampleFilter filter) {
  switch (filter) {
    case ResampleFilter::kLanczos:
      return {Lanczos, 3};
    case ResampleFilter::kBilinear:
      return {Bilinear, 1};
    case ResampleFilter::kBox:
      return {Box, 0.5};
    case ResampleFilter::kHamming:
      return {Hamming, 1};
    default:
      return {Bicubic, 2};
  }
}

// The operations are in Pillow's order, since rounding a weight differently could change a pixel.
ResampleTaps MakeTaps(int inputs, int outputs, const FilterCurve& curve) {
  const double scale = static_cast<double>(inputs) / outputs;
  const double widening = std::max(scale, 1.0);
  const double support = curve.support * widening;
  const double inverse = 1.0 / widening;
  ResampleTaps taps;
  taps.stride = std::min(static_cast<int>(std::ceil(support)) * 2 + 1, inputs);
  const auto count = static_cast<size_t>(outputs);
  taps.first.resize(count);
  taps.count.resize(count);
  taps.weights.resize(count * static_cast<size_t>(taps.stride));
  std::vector<double> weights(static_cast<size_t>(taps.stride));
  for (size_t i = 0; i < count; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(center - support + 0.5));
    const int end = std::min(inputs, static_cast<int>(center + support + 0.5));
    double sum = 0;
    for (int x = first; x < end; ++x) {
      const double weight = curve.value((x - center + 0.5) * inverse);
      weights[static_cast<size_t>(x - first)] = weight;
      sum += weight;
    }
    int32_t* fixed = taps.weights.data() + i * static_cast<size_t>(taps.stride);
    for (int x = 0; x < end - first; ++x) {
      double weight = weights[static_cast<size_t>(x)];
      if (sum != 0) weight /= sum;
      fixed[x] = static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kWeightBits));
    }
    taps.first[i] = first;
    taps.count[i] = std::max(0, end - first);
  }
  return taps;
}

Image NewImage(int width, int height) {
  Image image;
  image.width = width;
  image.height = height;
  image.pixels.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  return image;
}

const uint8_t* Row(const ImageView& image, size_t y) { return image.data + y * image.stride; }

Image Copy(ImageView image) {
  Image out = NewImage(image.width, image.height);
  const size_t bytes = static_cast<size_t>(image.width) * 3;
  for (size_t y = 0; y < static_cast<size_t>(image.height); ++y) {
    std::memcpy(out.pixels.data() + y * bytes, Row(image, y), bytes);
  }
  return out;
}

Image ResizeWidth(ImageView image, int width, const FilterCurve& curve) {
  const ResampleTaps taps = MakeTaps(image.width, width, curve);
  Image out = NewImage(width, image.height);
  const size_t out_stride = static_cast<size_t>(width) * 3;
  // There is no readable byte after the last row.
  const size_t rows = static_cast<size_t>(image.height) - 1;
  ParallelFor(rows, 16, [&](size_t begin, size_t end) {
    ResampleRowsHorizontally(Row(image, begin), image.stride, static_cast<int>(end - begin), taps,
                             out.pixels.data() + begin * out_stride, out_stride);
  });
  std::vector<uint8_t> last(static_cast<size_t>(image.width) * 3 + 1);
  std::memcpy(last.data(), Row(image, rows), last.size() - 1);
  ResampleRowsHorizontally(last.data(), last.size(), 1, taps, out.pixels.data() + rows * out_stride,
                           out_stride);
  return out;
}

Image ResizeHeight(ImageView image, int height, const FilterCurve& curve) {
  const ResampleTaps taps = MakeTaps(image.height, height, curve);
  Image out = NewImage(image.width, height);
  const size_t bytes = static_cast<size_t>(image.width) * 3;
  ParallelFor(static_cast<size_t>(height), 8, [&](size_t begin, size_t end) {
    for (size_t y = begin; y < end; ++y) {
      BlendRows(Row(image, static_cast<size_t>(taps.first[y])), image.stride,
                taps.weights.data() + y * static_cast<size_t>(taps.stride), taps.count[y], bytes,
                out.pixels.data() + y * bytes);
    }
  });
  return out;
}

// Rows are rounded to 8 bits between the passes, so their order matters. Since version 13, Pillow
// does the vertical pass first if it removes more than twice as many pixels as the horizontal one.
bool VerticalFirst(const ImageView& image, int width, int height) {
  const int64_t lost_rows = static_cast<int64_t>(image.height) - height;
  const int64_t lost_columns = static_cast<int64_t>(image.width) - width;
  return lost_rows > 0 && lost_rows > 2 * lost_columns;
}

// The input sample of every output sample. Accumulates the step like Pillow, whose rounding errors
// decide where a sample is on the border of two pixels.
std::vector<size_t> NearestSamples(int inputs, int outputs) {
  const double scale = static_cast<double>(inputs) / outputs;
  std::vector<size_t> samples(static_cast<size_t>(outputs));
  double position = scale * 0.5;
  for (size_t& sample : samples) {
    sample = static_cast<size_t>(std::clamp(static_cast<int>(position), 0, inputs - 1));
    position += scale;
  }
  return samples;
}

Image ResizeNearest(ImageView image, int width, int height) {
  const std::vector<size_t> columns = NearestSamples(image.width, width);
  const std::vector<size_t> rows = NearestSamples(image.height, height);
  Image out = NewImage(width, height);
  uint8_t* to = out.pixels.data();
  for (const size_t row : rows) {
    for (const size_t column : columns) {
      std::memcpy(to, Row(image, row) + 3 * column, 3);
      to += 3;
    }
  }
  return out;
}

}  // namespace

ResampleFilter ResampleFilterFromNumber(int number) {
  if (number < 0 || number > static_cast<int>(ResampleFilter::kHamming)) {
    throw Error(ErrorCode::kInvalidArgument, "resample " + std::to_string(number) +
                                                 ": not the number of a filter, which is "
                                                 "from 0 to 5");
  }
  return static_cast<ResampleFilter>(number);
}

Image Resize(ImageView image, int width, int height, ResampleFilter filter) {
  if (image.width <= 0 || image.height <= 0 || width <= 0 || height <= 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "cannot resize a picture of " + std::to_string(image.width) + "x" +
                    std::to_string(image.height) + " to " + std::to_string(width) + "x" +
                    std::to_string(height) + " pixels");
  }
  if (width == image.width && height == image.height) return Copy(image);
  if (filter == ResampleFilter::kNearest) return ResizeNearest(image, width, height);
  const FilterCurve curve = Curve(filter);
  if (width == image.width) return ResizeHeight(image, height, curve);
  if (VerticalFirst(image, width, height)) {
    const Image lowered = ResizeHeight(image, height, curve);
    return ResizeWidth(lowered.view(), width, curve);
  }
  const Image narrowed = ResizeWidth(image, width, curve);
  if (height == image.height) return narrowed;
  return ResizeHeight(narrowed.view(), height, curve);
}

}  // namespace uffizi
