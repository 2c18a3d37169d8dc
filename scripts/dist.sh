#!/usr/bin/env bash
# Builds the release packages in dist/. For each architecture: wheels, a tarball, a Debian package, an OCI
# image. For all: the jars with the native libraries, checksums, bill of materials, licences.
#   dist.sh [--arch ARCH]... [--no-jars] [--no-wheels]     default: x86_64 and aarch64
# It runs on Debian 12 and cross-compiles; the result runs on any Linux with glibc 2.28 or later.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
work=$root/build/dist
archs=()
jars=1
wheels=1
while [ $# -gt 0 ]; do
  case $1 in
    --arch) archs+=("$2"); shift ;;
    --no-jars) jars= ;;
    --no-wheels) wheels= ;;
    *) sed -nE 's/^# ? ?//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
  shift
done
[ ${#archs[@]} -gt 0 ] || archs=(x86_64 aarch64)
pythons="3.9;3.10;3.11;3.12"
nanobind_version=2.15.0

# The environment of the packaging itself.
tools=$work/tools
scripts/python_env.sh "$tools" scripts/dist/requirements.txt
nanobind=$("$tools/bin/python" -c 'import nanobind, pathlib; print(pathlib.Path(nanobind.__file__).parent)')
[ "$("$tools/bin/python" -c 'import nanobind; print(nanobind.__version__)')" = "$nanobind_version" ]

# Its version and terms, and those of what it includes, beside the other libraries'.
mkdir -p "$work/sources" "$work/${archs[0]}/doc/nanobind"
echo "$nanobind_version" >"$work/sources/nanobind.version"
{
  cat "$nanobind"-*.dist-info/licenses/LICENSE
  sed '/\*\//q' "$nanobind/ext/robin_map/include/tsl/robin_map.h"
} >"$work/${archs[0]}/doc/nanobind/copyright"

# compile ARCH: our own part, into build/dist-ARCH.
compile() {
  local arch=$1 build=$root/build/dist-$1 headers=()
  if [ "$arch" != "$(uname -m)" ]; then
    headers=(-DCMAKE_TOOLCHAIN_FILE="$root/cmake/dist-toolchain.cmake" -DUFFIZI_DIST_ARCH="$arch")
  fi
  cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER_LAUNCHER=ccache "${headers[@]}" \
    -DUFFIZI_WERROR=ON -DUFFIZI_BUILD_TESTS=OFF -DUFFIZI_AVIF=OFF -DUFFIZI_JXL=OFF -DUFFIZI_HEIF=ON -DUFFIZI_JPEG2000=ON
  # The layers and the command line's objects; what CMake would link is linked by link.sh.
  local objects
  mapfile -t objects < <(ninja -C "$build" -t inputs bin/uffizi | grep '^apps/uffizi/.*\.o$')
  [ ${#objects[@]} -gt 0 ]
  cmake --build "$build" -j "${JOBS:-$(nproc)}" --target uffizi_server uffizi_dataset uffizi_capi "${objects[@]}"
  mkdir -p "$build/bin" "$build/jvm" "$build/python"
  scripts/dist/link.sh "$arch" "$build" "$build/bin/uffizi" "" "${objects[@]/#/$build/}"
  # The wheels have the command line inside their modules, since a program beside them would hold the same again.
  rm -rf "$build/command" && mkdir "$build/command"
  local object
  for object in "${objects[@]}"; do
    "$arch-linux-gnu-objcopy" --redefine-sym main=uffizi_main --redefine-syms=scripts/dist/stdio.syms "$build/$object" \
      "$build/command/$(basename "$object")"
  done
  local compiler=(ccache "$arch-linux-gnu-g++" -std=c++20 -O3 -DNDEBUG -fPIC -fvisibility=hidden -fvisibility-inlines-hidden -Iinclude -Isrc -c)
  if [ -n "$jars" ]; then
    local java_home
    java_home=$(dirname "$(dirname "$(realpath "$(command -v javac)")")")
    "${compiler[@]}" -I"$java_home/include" -I"$java_home/include/linux" bindings/jvm/src/main/native/uffizi_jni.cc \
      -o "$build/jvm/uffizi_jni.o"
    scripts/dist/link.sh "$arch" "$build" "$build/jvm/libuffizi_jni.so" "JNI_OnLoad* Java_uffizi_*" "$build/jvm/uffizi_jni.o"
  fi
  local version
  for version in ${wheels:+${pythons//;/ }}; do link_python "$arch" "$version"; done
  scripts/dist/check_native.sh "$build"
}

# link_python ARCH VERSION: the module for one Python; for the last one and all later ones by the stable ABI.
link_python() {
  local arch=$1 version=$2 build=$root/build/dist-$1 tag=${2/./} source objects=()
  local name=_native.cpython-$tag-$arch-linux-gnu.so options=()
  if [ "$version" = "${pythons##*;}" ]; then
    name=_native.abi3.so
    options=(-DPy_LIMITED_API=0x030C0000)
  fi
  # The flags are those of nanobind's own CMake file.
  for source in bindings/python/native/*.cc "$nanobind/src/nb_combined.cpp"; do
    local object=$build/python/$tag-$(basename "${source%.*}").o command=()
    [ "$(basename "$source")" != module.cc ] || command=(-DUFFIZI_COMMAND_LINE)
    ccache "$arch-linux-gnu-g++" -std=c++20 -O3 -DNDEBUG -fPIC -fvisibility=hidden -fvisibility-inlines-hidden \
      -fno-strict-aliasing -fno-stack-protector -ffunction-sections -fdata-sections -DNB_COMPACT_ASSERTIONS "${options[@]}" "${command[@]}" \
      -Iinclude -Isrc -isystem "$work/python/$version/include/python$version" -isystem "$nanobind/include" \
      -isystem "$nanobind/ext/robin_map/include" -c "$source" -o "$object"
    objects+=("$object")
  done
  scripts/dist/link.sh "$arch" "$build" "$build/python/$name" PyInit__native "${objects[@]}" "$build"/command/*.o
}

mkdir -p dist
for version in ${wheels:+${pythons//;/ }}; do scripts/dist/python.sh "$version" "$work/python/$version"; done
for arch in "${archs[@]}"; do
  scripts/dist/dependencies.sh "$arch"
  compile "$arch"
done

if [ -n "$jars" ]; then
  natives=$work/jar/jvm/native/uffizi/native
  rm -rf "$natives" "$work/jar/jvm/native/META-INF"
  for arch in "${archs[@]}"; do
    mkdir -p "$natives/linux-$arch"
    cp "$root/build/dist-$arch/jvm/libuffizi_jni.so" "$natives/linux-$arch/"
    echo libuffizi_jni.so >"$natives/linux-$arch/files.txt"
  done
  "$tools/bin/python" scripts/dist/package.py licences --out "$work/jar/jvm/native/META-INF"
  for line in "" -Pspark-3.5 -Pspark-3.5_2.13; do
    bindings/jvm/build.sh "$work/jar" package -DskipTests -Duffizi.build.dir="$work/jar/spark${line#-Pspark}" $line
  done
  find "$work/jar" -maxdepth 2 -name 'uffizi-spark*.jar' -exec cp {} dist/ \;
  scripts/spark_package.sh dist
fi
"$tools/bin/python" scripts/dist/package.py all --arch "${archs[@]}" ${wheels:+--wheels}
(cd dist && sha256sum -- *.whl *.jar *.tar.gz *.deb *.tar *.json 2>/dev/null >SHA256SUMS) || true
ls -l dist
