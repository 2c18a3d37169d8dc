#!/usr/bin/env bash
# Checks the release binaries: they must need nothing of the system except glibc 2.28, export only their
# own symbols, name no folder of this machine, and stay small.
#   check_native.sh BUILD_DIR
set -euo pipefail
build=$1
limit=$((25 * 1024 * 1024))
fail() { echo "$*" >&2; exit 1; }

files=("$build/bin/uffizi")
shopt -s nullglob
files+=("$build"/src/libuffizi.so.*.*.* "$build"/jvm/libuffizi_jni*.so "$build"/python/_native*.so)
for file in "${files[@]}"; do
  needed=$(objdump -p "$file" | sed -n 's/^ *NEEDED *//p')
  for library in $needed; do
    case $library in
      libc.so.6 | libm.so.6 | libpthread.so.0 | libdl.so.2 | librt.so.1 | libresolv.so.2 | ld-linux-*) ;;
      *) fail "$file needs $library, which not every Linux has" ;;
    esac
  done
  newest=$(objdump -T "$file" | { grep -oE 'GLIBC_[0-9.]+' || true; } | sort -uV | tail -1)
  [ "$(printf '%s\n' GLIBC_2.28 "$newest" | sort -V | tail -1)" = GLIBC_2.28 ] || fail "$file needs $newest"
  shown=$(objdump -T "$file" | awk '$2 ~ /g|w/ && $0 !~ /\*UND\*/ {print $NF}')
  case $file in
    */uffizi) ;;
    *) for symbol in $shown; do
         case $symbol in
           uffizi_* | JNI_OnLoad* | Java_uffizi_* | PyInit__native) ;;
           *) fail "$file shows the symbol $symbol" ;;
         esac
       done ;;
  esac
  ! grep -qF "$PWD/" "$file" || fail "$file names the folder $PWD"
  size=$(stat -c %s "$file")
  printf '%-60s %9d bytes, %s\n' "${file#"$build"/}" "$size" "$newest"
  [ "$size" -le "$limit" ] || fail "$file is over 25 MB"
done
