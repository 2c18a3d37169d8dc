#!/usr/bin/env bash
# Cross-compiles the kernels for 64-bit ARM without any extension, and runs their tests under qemu-user:
# each byte dot product on processors with and without the extension that it needs.
#   neon.sh [--count]    --count prints in place of the tests how many instructions a product takes
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=build/neon
mkdir -p "$out"

cat >"$out/build.ninja" <<NINJA
builddir = $out
rule cc
  command = ${CCACHE:-} aarch64-linux-gnu-g++ -std=c++20 -O2 -Wall -Wextra -Wshadow -Werror -Isrc -Iinclude -Itests -MD -MF \$out.d -c \$in -o \$out
  depfile = \$out.d
  deps = gcc
rule link
  command = aarch64-linux-gnu-g++ \$in -o \$out -Wl,--as-needed -lgtest_main -lgtest -lhwy -ltbb -lpthread
NINJA
objects=()
tests=()
for source in src/kernels/*.cc src/core/*.cc tests/kernels/*.cc bench/one_product.cc; do
  object=$out/$(echo "${source%.cc}" | tr / _).o
  echo "build $object: cc $source" >>"$out/build.ninja"
  case $source in
    tests/*) tests+=("$object") ;;
    src/*) objects+=("$object") ;;
  esac
done
{
  echo "build $out/kernels_test: link ${objects[*]} ${tests[*]}"
  echo "build $out/one_product: link ${objects[*]} $out/bench_one_product.o"
} >>"$out/build.ninja"
ninja -f "$out/build.ninja" ${JOBS:+-j "$JOBS"} "$out/kernels_test" "$out/one_product"
if [ "${1:-}" = --count ]; then
  exec python3 bench/arm_instructions.py "$out/one_product"
fi

# run CPU TARGET [OPTION...]: the tests with UFFIZI_TARGET=TARGET, or without it if TARGET is empty.
run() {
  local cpu=$1 target=$2
  shift 2
  UFFIZI_TARGET=$target qemu-aarch64 -L / -cpu "$cpu" "$out/kernels_test" "$@"
}
# expect NAME ACTUAL EXPECTED
expect() {
  [ "$2" = "$3" ] && return
  echo "$1: \"$2\" in place of \"$3\"" >&2
  exit 1
}

# All tests on CPU, where TARGET must be chosen by itself.
test_kernels() {
  echo "$2 on $1"
  UFFIZI_EXPECTED_TARGET=$2 run "$1" ""
}

# Which of the extensions' instructions products execute on a processor that has both: qemu logs the code that it
# translates, which is the code that runs.
executed() {
  local log=$out/executed.log
  QEMU_LOG=in_asm QEMU_LOG_FILENAME=$log run max "$1" --gtest_filter='Quantized.FactorOutput:Quantized.RowsDo*' >&2
  sed -nE -e 's/^0x[0-9a-f]+: +4e[89][0-9a-f]9[4-7].*/sdot/p' -e 's/^0x[0-9a-f]+: +4e[89][0-9a-f]a[4-7].*/smmla/p' "$log" |
    sort -u | tr '\n' ' '
  rm -f "$log"
}

test_kernels cortex-a72 NEON
test_kernels neoverse-n1 NEON_SDOT
test_kernels max NEON_I8MM
expect "instructions of neon" "$(executed neon)" ""
expect "instructions of neon_sdot" "$(executed neon_sdot)" "sdot "
expect "instructions of neon_i8mm" "$(executed neon_i8mm)" "sdot smmla "
if message=$(run neoverse-n1 neon_i8mm --gtest_filter=Quantized.FactorOutput 2>&1); then
  echo "a processor without smmla accepts neon_i8mm" >&2
  exit 1
fi
expect "choices of a Neoverse N1" "$(grep -o 'it can run [a-z0-9_, ]*' <<<"$message" | head -1)" "it can run neon_sdot, neon"
echo "all kernels passed, with and without the extensions"
