#ifndef UFFIZI_BINDINGS_PYTHON_NATIVE_H_
#define UFFIZI_BINDINGS_PYTHON_NATIVE_H_

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <initializer_list>
#include <memory>

#include "uffizi/types.h"

// The module uffizi._native: the C++ API, for use by the Python files beside it. The public
// interface is the package uffizi.
namespace uffizi::python {

namespace nb = nanobind;

void BindErrors(nb::module_& module);
void BindAnswers(nb::module_& module);
void BindPictures(nb::module_& module);
void BindModels(nb::module_& module);
void BindEngine(nb::module_& module);
void BindFiles(nb::module_& module);

// An array of `owner`'s data, which lives as long as the array.
template <typename Array, typename Owner, typename Value>
Array OwnedArray(std::unique_ptr<Owner> owner, Value* data, std::initializer_list<size_t> shape) {
  nb::capsule capsule(owner.get(), [](void* held) noexcept { delete static_cast<Owner*>(held); });
  owner.release();
  return Array(data, shape, capsule);
}

// [height, width, 3] u8 with any row stride and packed pixels. Never a copy.
using Pixels = nb::ndarray<const uint8_t, nb::shape<-1, -1, 3>, nb::device::cpu>;

// A view of the array as a picture. Throws Error(kInvalidArgument) for other strides.
ImageView ViewPixels(const Pixels& pixels);

}  // namespace uffizi::python

#endif  // UFFIZI_BINDINGS_PYTHON_NATIVE_H_
