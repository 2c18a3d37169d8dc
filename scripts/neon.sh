#!/usr/bin/env bash
# Cross-compiles the kernels and their tests for 64-bit ARM and runs them under qemu-user.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# test NAME FLAGS: compiles into build/neon/NAME and runs. Not with the dot product extension, and with it.
test_kernels() {
  local out=build/neon/$1
  mkdir -p "$out"
  cat >"$out/build.ninja" <<EOF
builddir = $out
rule cc
  command = ${CCACHE:-} aarch64-linux-gnu-g++ -std=c++20 -O2 $2 -Wall -Wextra -Werror -Isrc -Iinclude -Itests -MD -MF \$out.d -c \$in -o \$out
  depfile = \$out.d
  deps = gcc
rule link
  command = aarch64-linux-gnu-g++ \$in -o \$out -lgtest_main -lgtest -lhwy -ltbb -lpthread
EOF
  local objects=() source object
  for source in src/kernels/*.cc src/core/{arena,error,half}.cc tests/kernels/*.cc; do
    object=$out/$(echo "${source%.cc}" | tr / _).o
    echo "build $object: cc $source" >>"$out/build.ninja"
    objects+=("$object")
  done
  echo "build $out/kernels_test: link ${objects[*]}" >>"$out/build.ninja"
  ninja -f "$out/build.ninja" "$out/kernels_test"
  UFFIZI_TARGET=neon UFFIZI_EXPECTED_TARGET=NEON qemu-aarch64 -L / "$out/kernels_test"
}

test_kernels plain ""
test_kernels dotprod -march=armv8.2-a+dotprod
