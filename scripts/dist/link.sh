#!/usr/bin/env bash
# Links release binaries from our objects, the static libraries of build/dist/ARCH and the compiler's own, for
# glibc 2.28, without further dependencies.
#   link.sh ARCH BUILD_DIR OUTPUT "SYMBOL..." OBJECT...    a shared library that exports only these symbols
#   link.sh ARCH BUILD_DIR OUTPUT "" OBJECT...             a program
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
arch=$1 build=$2 output=$3 symbols=$4
shift 4
dist=$PWD/build/dist
zig_version=0.16.0

scripts/python_env.sh "$dist/linker" - <<<"ziglang==$zig_version"
zig=$(echo "$dist"/linker/lib/python3*/site-packages/ziglang/zig)
export ZIG_GLOBAL_CACHE_DIR=$dist/zig-cache ZIG_LOCAL_CACHE_DIR=$dist/zig-cache

work=$dist/work/link-$arch
mkdir -p "$work"
compat=$work/compat.o
"$arch-linux-gnu-gcc" -O2 -fPIC -Wall -Wextra -Werror -c scripts/dist/compat.c -o "$compat"

options=(-s -Wl,--gc-sections)
if [ -n "$symbols" ]; then
  echo "{ global: ${symbols// /; }; local: *; };" >"$work/$(basename "$output").map"
  options+=(-shared -Wl,--version-script="$work/$(basename "$output").map" -Wl,-soname="$(basename "$output")")
fi
own=("$build"/src/*/libuffizi_*.a)
libraries=("$dist/$arch"/lib/*.a)
runtime=()
for name in libstdc++.a libgcc_eh.a libgcc.a; do runtime+=("$("$arch-linux-gnu-g++" -print-file-name="$name")"); done
exec "$zig" cc -target "$arch-linux-gnu.2.28" -O2 -g0 "${options[@]}" -o "$output" "$@" "$compat" \
  -Wl,--start-group "${own[@]}" "${libraries[@]}" "${runtime[@]}" -Wl,--end-group -lpthread -ldl -lm
