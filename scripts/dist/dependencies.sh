#!/usr/bin/env bash
# Collects the static libraries of the release builds: from Debian 12's packages if these contain one without
# further dependencies, else built from Debian's sources with only the features that we use.
#   dependencies.sh ARCH [LIBRARY...]    x86_64 or aarch64; into build/dist/ARCH; default: all
# A library is rebuilt only if its version or its recipe here changes.
#
# The compiler is Debian 12's, as for everybody who builds from source, so that what people are given is as fast.
# The linker is that of the PyPI package ziglang, which knows the C library 2.28's symbols; compat.c has the few that
# the compiler's own libraries want beyond them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
arch=$1
shift
root=$PWD
dist=$root/build/dist
prefix=$dist/$arch
debian_root=$prefix/debian
sources=$dist/sources
case $arch in
  x86_64) deb_arch=amd64 ;;
  aarch64) deb_arch=arm64 ;;
  *) echo "no such processor: $arch" >&2; exit 2 ;;
esac
cross=$arch-linux-gnu-
jobs=${JOBS:-$(nproc)}
suite=bookworm
mirror=${UFFIZI_DEBIAN_MIRROR:-http://deb.debian.org}
mkdir -p "$prefix/stamps" "$prefix/include" "$prefix/lib" "$debian_root" "$sources/download"

# ---- Debian's packages ----------------------------------------------------------------------------

# apt with lists of its own: this machine's are left alone.
setup_apt() {
  local apt=$dist/apt keys=/usr/share/keyrings/debian-archive-keyring.gpg part
  export APT_CONFIG=$apt/apt.conf
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
  # Left as it is, if it is right: apt reads all lists anew when any of these files is newer.
  [ -f "$apt/status" ] || : >"$apt/status"
  for part in "$mirror/debian $suite" "$mirror/debian $suite-updates" "$mirror/debian-security $suite-security"; do
    echo "deb-src [signed-by=$keys] $part main"
    echo "deb [arch=amd64,arm64 signed-by=$keys] $part main"
  done >"$apt/sources.list.new"
  cmp -s "$apt/sources.list.new" "$apt/sources.list" || cp "$apt/sources.list.new" "$apt/sources.list"
  [ -f "$APT_CONFIG" ] || cat >"$APT_CONFIG" <<CONF
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
APT::Architectures { "amd64"; "arm64"; };
CONF
  [ -n "$(find "$apt/lists" -name '*Sources*' -mtime -1 -print -quit)" ] || apt_ get update
}

# apt with what it has read kept, which images of Debian for containers switch off.
apt_() {
  local command=$1
  shift
  "apt-$command" -o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin -qq "$@"
}

# source_of PACKAGE: unpacks Debian's newest source to $sources/PACKAGE, with its version in
# $sources/PACKAGE.version. Mirrors do not always have the newest one yet; then the one before it.
source_of() {
  local package=$1 version
  [ -f "$sources/$package.version" ] && return
  for version in $(apt_ cache showsrc --only-source "$package" | sed -n 's/^Version: //p' | sort -Vru); do
    if (cd "$sources/download" && apt_ get source --download-only --only-source "$package=$version" >&2); then
      rm -rf "${sources:?}/$package"
      dpkg-source --no-check -x "$sources/download/${package}_${version#*:}.dsc" "$sources/$package" >/dev/null
      echo "$version" >"$sources/$package.version"
      return
    fi
    echo "$package $version cannot be had; trying the version before it" >&2
  done
  echo "no source of $package can be had" >&2
  return 1
}

# binary PACKAGE...: unpacks Debian's binary packages for this processor into $debian_root.
binary() {
  local package
  for package in "$@"; do
    mkdir -p deb
    # Without a processor's name for those that are the same for all.
    (cd deb && rm -f ./*.deb && { apt_ get download "$package:$deb_arch" 2>/dev/null || apt_ get download "$package"; })
    dpkg-deb -x deb/*.deb "$debian_root"
  done
}
newest() {
  local versions
  versions=$(apt_ cache show "$1:$deb_arch" 2>/dev/null | sed -n 's/^Version: //p')
  # Packages that are the same for all processors are known without a processor's name.
  [ -n "$versions" ] || versions=$(apt_ cache show "$1" | sed -n 's/^Version: //p')
  sort -Vr <<<"$versions" | head -1
}

# ---- recipes: each runs in a fresh folder, with $src the unpacked source, if it has one -------------

# ready NAME PACKAGE LIBRARY...: Debian's static libraries, as they are, and their terms.
ready() {
  local name=$1 package=$2 library
  shift 2
  binary "$package"
  # They are compiled for programs, where standard output may be taken for a variable of the program; in a shared
  # library that must be a variable of its own. compat.c has it.
  for library in "$@"; do
    "${cross}objcopy" --redefine-syms="$root/scripts/dist/stdio.syms" \
      "$debian_root/usr/lib/$arch-linux-gnu/lib$library.a" "$prefix/lib/lib$library.a"
  done
  local doc=$debian_root/usr/share/doc/$package
  [ ! -L "$doc" ] || binary "$(basename "$(readlink "$doc")")"  # of the package that has the terms of both
  install -D -m 644 "$doc/copyright" "$prefix/doc/$name/copyright"
}
cmake_build() { # cmake_build TARGET [OPTION...]
  # Files are named without the folder that they lie in here, so that every machine builds the same. ccache must not
  # name them otherwise.
  local -x CCACHE_BASEDIR=
  local target=$1 flags="-w -ffile-prefix-map=$sources/="
  shift
  cmake -S "$src" -B . -G Ninja -DCMAKE_TOOLCHAIN_FILE="$root/cmake/dist-toolchain.cmake" -DUFFIZI_DIST_ARCH="$arch" \
    -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_C_FLAGS="$flags" \
    -DCMAKE_CXX_FLAGS="$flags" -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DBUILD_TESTING=OFF "$@"
  cmake --build . -j "$jobs" --target "$target"
}
take() { # take NAME: the library of this build
  cp "$(find . -name "lib$1.a" | head -1)" "$prefix/lib/"
}

build_zlib() { ready zlib zlib1g-dev z; }
build_bzip2() { ready bzip2 libbz2-dev bz2; }
build_lz4() { ready lz4 liblz4-dev lz4; }
build_xz-utils() { ready xz-utils liblzma-dev lzma; }
build_libzstd() { ready libzstd libzstd-dev zstd; }
build_giflib() { ready giflib libgif-dev gif; }
build_libjpeg-turbo() { ready libjpeg-turbo libjpeg62-turbo-dev jpeg; }
build_libpng1.6() { ready libpng1.6 libpng-dev png16; }
build_libwebp() { ready libwebp libwebp-dev webp webpdemux; }
build_openjpeg2() { ready openjpeg2 libopenjp2-7-dev openjp2; }
build_pugixml() {
  ready pugixml libpugixml-dev pugixml
  binary libpugixml1v5
}
build_openssl() { ready openssl libssl-dev crypto ssl; }
build_agg() { ready agg libagg-dev agg_pic; }
# The terms of what link.sh takes from the compiler.
build_gcc-12() { ready gcc-12 gcc-12-base; }
# Headers alone.
build_cli11() { ready cli11 libcli11-dev; }
build_nlohmann-json3() { ready nlohmann-json3 nlohmann-json3-dev; }
build_libstb() { ready libstb libstb-dev; }
build_boost() { ready boost libboost1.81-dev; }
# Its header is all that is used, so its codecs are not looked for.
build_libheif() {
  binary libheif-dev
  sed -i '/^Requires.private:/d' "$debian_root/usr/lib/$arch-linux-gnu/pkgconfig/libheif.pc"
}

build_highway() {
  binary libhwy-dev libhwy1
  cmake_build hwy -DHWY_ENABLE_CONTRIB=OFF -DHWY_ENABLE_EXAMPLES=OFF -DHWY_ENABLE_TESTS=OFF -DHWY_ENABLE_INSTALL=ON
  take hwy
}
build_onetbb() {
  binary libtbb-dev libtbb12 libtbbmalloc2 libtbbbind-2-5
  cmake_build tbb -DTBB_TEST=OFF -DTBB_STRICT=OFF -DTBB_EXAMPLES=OFF -DTBBMALLOC_BUILD=OFF \
    -DTBB_DISABLE_HWLOC_AUTOMATIC_SEARCH=ON
  take tbb
}
build_fmtlib() {
  binary libfmt-dev libfmt9
  cmake_build fmt -DFMT_TEST=OFF -DFMT_DOC=OFF
  take fmt
}
build_tiff() {
  binary libtiff-dev
  cmake_build tiff -Dtiff-tools=OFF -Dtiff-tests=OFF -Dtiff-contrib=OFF -Dtiff-docs=OFF -Dcxx=OFF -Djbig=OFF -Dlerc=OFF \
    -Dlibdeflate=OFF -Dwebp=OFF -Djpeg=ON -DCMath_HAVE_LIBC_POW=ON -Dzlib=ON -Dzstd=ON -Dlzma=ON
  take tiff
}
build_curl() {
  binary libcurl4-openssl-dev
  cmake_build libcurl -DHTTP_ONLY=ON -DBUILD_CURL_EXE=OFF -DCURL_USE_OPENSSL=ON -DCURL_ZLIB=ON -DCURL_USE_LIBSSH2=OFF \
    -DCURL_USE_LIBPSL=OFF -DUSE_LIBIDN2=OFF -DUSE_NGHTTP2=OFF -DCURL_BROTLI=OFF -DCURL_ZSTD=OFF -DCURL_CA_BUNDLE=none \
    -DCURL_CA_PATH=none -DCURL_DISABLE_COOKIES=ON -DCURL_DISABLE_HSTS=ON -DCURL_DISABLE_ALTSVC=ON -DCURL_DISABLE_NETRC=ON \
    -DENABLE_UNIX_SOCKETS=OFF -DENABLE_MANUAL=OFF -DCURL_DISABLE_DOH=ON -DENABLE_THREADED_RESOLVER=ON
  take curl
}
build_libarchive() {
  binary libarchive-dev
  cmake_build archive_static -DENABLE_TEST=OFF -DENABLE_TAR=OFF -DENABLE_CPIO=OFF -DENABLE_CAT=OFF -DENABLE_OPENSSL=OFF \
    -DENABLE_LIBXML2=OFF -DENABLE_EXPAT=OFF -DENABLE_ACL=OFF -DENABLE_XATTR=OFF -DENABLE_LIBB2=OFF -DENABLE_NETTLE=OFF \
    -DENABLE_MBEDTLS=OFF -DENABLE_PCREPOSIX=OFF -DENABLE_LibGCC=OFF -DENABLE_WERROR=OFF
  take archive
}
# What the OCI image holds beside the program: the C library and the authorities' certificates.
build_image() {
  local debian_root=$PWD/files
  binary libc6 ca-certificates
  rm -rf "$prefix/image"
  local loader=lib64/ld-linux-x86-64.so.2 library
  [ "$arch" = aarch64 ] && loader=lib/ld-linux-aarch64.so.1
  install -D "files/lib/$arch-linux-gnu/$(basename "$loader")" "$prefix/image/$loader"
  for library in libc.so.6 libm.so.6 libpthread.so.0 libdl.so.2 librt.so.1 libresolv.so.2 libnss_files.so.2 libnss_dns.so.2; do
    install -D "files/lib/$arch-linux-gnu/$library" "$prefix/image/lib/$arch-linux-gnu/$library"
  done
  mkdir -p "$prefix/image/etc/ssl/certs"
  cat files/usr/share/ca-certificates/mozilla/*.crt >"$prefix/image/etc/ssl/certs/ca-certificates.crt"
  for library in libc6 ca-certificates; do
    install -D -m 644 "files/usr/share/doc/$library/copyright" "$prefix/image/usr/share/doc/$library/copyright"
  done
}

# ---- all of them, in the order in which they stand on each other ------------------------------------

libraries=(zlib bzip2 lz4 xz-utils libzstd giflib libjpeg-turbo libpng1.6 libwebp openjpeg2 pugixml openssl agg cli11
  nlohmann-json3 libstb libheif highway onetbb fmtlib tiff curl libarchive boost gcc-12
  image)
[ $# -eq 0 ] || libraries=("$@")

# The version of a library: of Debian's source, or of the binary package that is taken as it is.
version_of() {
  local recipe
  recipe=$(declare -f "build_$1")
  case $recipe in
    *cmake_build* | *configure*) source_of "$1" && cat "$sources/$1.version" ;;
    *ready*) newest "$(sed -nE 's/^ *ready [^ ]+ ([^ ;]+).*/\1/p' <<<"$recipe")" | tee "$sources/$1.version" ;;
    *) newest "$(sed -nE 's/^ *binary ([^ ;]+).*/\1/p' <<<"$recipe")" | tee "$sources/$1.version" ;;
  esac
}

# All that a library's build depends on.
recipe_of() {
  local own
  own=$(declare -f "build_$1")
  echo "$2"
  echo "$own"
  case $own in *ready*) declare -f ready ;; *cmake_build*) declare -f cmake_build ;; esac
}

setup_apt
for library in "${libraries[@]}"; do
  version=$(version_of "$library")
  recipe=$(recipe_of "$library" "$version")
  stamp=$prefix/stamps/$library
  [ "$(cat "$stamp" 2>/dev/null)" = "$recipe" ] && continue
  echo "$library $version for $arch"
  work=$dist/work/$arch-$library
  rm -rf "$work"
  mkdir -p "$work"
  # In the background, since bash forgets `set -e` in a condition.
  (cd "$work" && src=$sources/$library && "build_$library") >"$work.log" 2>&1 &
  if ! wait $!; then
    tail -40 "$work.log" >&2
    echo "$library: the build failed; $work.log has all of it" >&2
    exit 1
  fi
  rm -rf "$work"
  echo "$recipe" >"$stamp"
done
