#!/usr/bin/env bash
# Installs the packages of `./run dist` on other Linux distributions and annotates a picture there. Each must
# give the answer of build/release/bin/uffizi (or of this machine's own tarball, if there is no such build).
#   tryout.sh [--quick] [LINUX...]
# LINUX: bullseye (glibc 2.31, Python 3.9, Java 11 and 17), trixie (Debian 13), jammy and noble (Ubuntu, where its mirror
# can be reached), image (the OCI image's own files), pythons (the wheels with Python 3.9 to 3.14), sse2 (the
# oldest x86-64 processors, under qemu), arm64 (ARM under qemu; slow), source:g++, source:g++-12, source:clang++
# (README's two commands on Debian 13 with that compiler; very slow), source (all three). Without any: all but
# source; --quick: bullseye, image and pythons.
# UFFIZI_TRYOUT_TESTS="-R kernels" restricts the tests of source to some.
# Needs root, for debootstrap and chroot. Roots, and what compilers and package clients cache in them, are kept in
# build/roots; trials run on a copy.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
roots=$root/build/roots
version=$(scripts/version.sh)
picture=samples/penguins.jpg
debian=${UFFIZI_DEBIAN_MIRROR:-http://deb.debian.org}
ubuntu=${UFFIZI_UBUNTU_MIRROR:-http://archive.ubuntu.com}
linuxes=()
all=(bullseye trixie jammy noble image pythons sse2 arm64)
while [ $# -gt 0 ]; do
  case $1 in
    --quick) all=(bullseye image pythons) ;;
    source) linuxes+=(source:g++ source:clang++ source:g++-12) ;;
    bullseye | trixie | jammy | noble | image | pythons | sse2 | arm64 | source:*) linuxes+=("$1") ;;
    *) sed -nE 's/^# ? ?//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
  shift
done
[ ${#linuxes[@]} -gt 0 ] || linuxes=("${all[@]}")
[ "$(id -u)" -eq 0 ] || { echo "tryout.sh needs root, for debootstrap and chroot" >&2; exit 2; }
# With mounts of its own, which end with it.
[ -n "${UFFIZI_TRYOUT:-}" ] || UFFIZI_TRYOUT=1 exec unshare --mount "$root/scripts/tryout.sh" "${linuxes[@]}"
mkdir -p "$roots"
passed=0
failed=0
scratch=$(mktemp -d -p "$roots")  # not /tmp, on which an overlay may be impossible
trial=$scratch/root
# Lazily, since a process that an interrupted trial left keeps the root busy, and nothing that is mounted there may be
# removed: this machine's /dev is.
remove_trial() {
  ! mountpoint -q "$trial" || umount --recursive --lazy "$trial"
  rm -rf --one-file-system "$scratch/upper" "$scratch/work" "$trial"
}
leave() { remove_trial && rm -rf --one-file-system "$scratch"; }
trap leave EXIT

# The raw answer that all must give.
answer_of() { python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["text"])'; }
reference() {
  local program=build/release/bin/uffizi
  if [ ! -x "$program" ]; then
    tar xzf "dist/uffizi-$version-linux-$(uname -m).tar.gz" -C "$scratch"
    program=$scratch/uffizi-$version-linux-$(uname -m)/bin/uffizi
  fi
  "$program" annotate "$picture" --task od --format jsonl --quiet --model models/uffizi-tiny | answer_of
}

# expect NAME COMMAND...: the command must print the reference's answer in its last line.
expect() {
  local name=$1 said
  shift
  if said=$("$@" 2>"$scratch/errors") && [ "$(tail -1 <<<"$said")" = "$wanted" ]; then
    echo "ok      $name"
    passed=$((passed + 1))
  else
    echo "FAILED  $name: ${said:-no answer}"
    sed 's/^/        /' "$scratch/errors" | tail -20
    failed=$((failed + 1))
  fi
}

# make_root NAME MIRROR SUITE PACKAGES: build/roots/NAME, once. 1 if it cannot be had.
make_root() {
  local name=$1 mirror=$2 suite=$3 packages=$4
  [ -f "$roots/$name.made" ] && return
  rm -rf "${roots:?}/$name"
  local options=() script=()
  # One script makes every Ubuntu, and Debian's debootstrap may be older than the suite.
  case $mirror in *ubuntu*) options=(--no-check-gpg "--components=main,universe") script=(gutsy) ;; esac
  debootstrap --variant=minbase "${options[@]}" "$suite" "$roots/$name" "$mirror" "${script[@]}" >"$roots/$name.log" 2>&1 || return 1
  mount --bind /proc "$roots/$name/proc"
  chroot "$roots/$name" sh -c "apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -y -qq install --no-install-recommends $packages" \
    >>"$roots/$name.log" 2>&1 || { umount "$roots/$name/proc"; tail -5 "$roots/$name.log" >&2; return 1; }
  umount "$roots/$name/proc"
  touch "$roots/$name.made"
}

# A throw-away copy of build/roots/NAME at $trial, with /proc, /dev, this machine's names, and the authorities that this
# machine's owner has added to the system's. Java finds no address of its own where /etc/hosts has no name of the machine.
open_root() {
  mkdir -p "$scratch/upper" "$scratch/work" "$trial"
  mount -t overlay overlay -o "lowerdir=$roots/$1,upperdir=$scratch/upper,workdir=$scratch/work" "$trial"
  mount --rbind /proc "$trial/proc"
  mount --rbind /dev "$trial/dev"
  cp /etc/resolv.conf /etc/hosts "$trial/etc/"
  [ ! -d /usr/local/share/ca-certificates ] || cp -r /usr/local/share/ca-certificates "$trial/usr/local/share/"
}
# What is to be tried, in /try.
add_packages() {
  mkdir -p "$trial/try"
  cp "$root"/dist/uffizi* "$trial/try/"
  cp "$picture" "$trial/try/picture.jpg"
  cp -r models/uffizi-tiny "$trial/try/model"
}
# requirements PYTHON_VERSION ARCH FOLDER: what the wheel wants of PyPI, fetched by this machine's pip.
requirements() {
  local platforms=() platform
  for platform in manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014; do platforms+=(--platform "${platform}_$2"); done
  [ -x "$roots/pip/bin/pip" ] || python3 -m venv "$roots/pip"
  "$roots/pip/bin/pip" download -q --disable-pip-version-check --only-binary :all: --no-deps --python-version "$1" "${platforms[@]}" \
    --dest "$3" numpy Pillow
}
inside() { chroot "$trial" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 sh -euc "$1"; }

annotate="annotate /try/picture.jpg --task od --format jsonl --quiet"
text='python3 -c "import json, sys; print(json.loads(sys.stdin.readline())[\"text\"])"'

try_tarball() {
  inside "mkdir -p /opt && tar xzf /try/uffizi-$version-linux-x86_64.tar.gz -C /opt && \
    /opt/uffizi-$version-linux-x86_64/bin/uffizi $annotate | $text"
}
try_deb() {
  inside "apt-get -y -qq install --no-install-recommends /try/uffizi_${version}_amd64.deb >&2 && \
    test -s /usr/share/man/man1/uffizi.1.gz || ls /usr/share/man >&2; uffizi $annotate | $text"
}
try_wheel() {
  requirements "$(inside "python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'")" x86_64 "$trial/try/wheels"
  inside "python3 -m venv /tmp/env && /tmp/env/bin/pip install -q --disable-pip-version-check --no-index \
      --find-links /try --find-links /try/wheels uffizi==$version >&2 && cd /tmp && /tmp/env/bin/uffizi --version >&2 && \
    /tmp/env/bin/python -c 'import uffizi; print(uffizi.Florence2.from_pretrained()(\"/try/picture.jpg\", \"<OD>\").text)'"
}
# try_jar JAVA_HOME-PATTERN JAR
try_jar() {
  inside "java=\$(ls -d /usr/lib/jvm/$1/bin/java | head -1); \$java -cp /try/$2:/try Try /try/model /try/picture.jpg"
}

# try_linux NAME MIRROR SUITE PACKAGES JAVA...
try_linux() {
  local name=$1 java jar
  if ! make_root "$1" "$2" "$3" "$4"; then
    echo "absent  $name: its packages cannot be reached from here"
    return
  fi
  shift 4
  open_root "$name"
  add_packages
  local jars=(dist/uffizi-spark*.jar)
  if [ -f "${jars[0]}" ]; then
    javac --release 11 -cp "${jars[0]}" -d "$trial/try" scripts/tryout/Try.java
  else
    echo "absent  $name jars: dist has none"
    jars=()
  fi
  echo "$name: $(inside 'ldd --version | head -1; python3 --version' | tr '\n' ' ')"
  expect "$name tarball" try_tarball
  expect "$name .deb" try_deb
  expect "$name wheel" try_wheel
  for java in "$@"; do
    for jar in "${jars[@]}"; do
      expect "$name $(basename "$jar") with ${java//\*/}" try_jar "$java" "$(basename "$jar")"
    done
  done
  remove_trial
}

# The image's files, as its own user, with nothing else.
try_image() {
  local folder=$scratch/image layer variables
  mkdir -p "$folder/oci" "$folder/root"
  tar xf "dist/uffizi-$version-oci-$(uname -m).tar" -C "$folder/oci"
  { read -r layer && mapfile -t variables; } < <(python3 - "$folder/oci" <<'PY'
import json, pathlib, sys, hashlib
folder = pathlib.Path(sys.argv[1])
def blob(entry):
    data = (folder / "blobs/sha256" / entry["digest"].split(":")[1]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == entry["digest"].split(":")[1] and len(data) == entry["size"]
    return data
manifest = json.loads(blob(json.loads((folder / "index.json").read_text())["manifests"][0]))
config = json.loads(blob(manifest["config"]))["config"]
assert config["User"] == "65534:65534"
blob(manifest["layers"][0])
print(manifest["layers"][0]["digest"].split(":")[1], *config["Env"], sep="\n")
PY
)
  [ -n "$layer" ] || { echo "FAILED  image: its parts do not fit"; failed=$((failed + 1)); return; }
  tar xzf "$folder/oci/blobs/sha256/$layer" -C "$folder/root"
  mkdir -p "$folder/root/try"
  cp "$picture" "$folder/root/try/picture.jpg"
  chmod 755 "$folder" "$scratch" "$folder/root"
  as_nobody=(env -i "${variables[@]}" "$(command -v chroot)" --userspec=65534:65534 "$folder/root" /usr/bin/uffizi)
  expect "image annotates as nobody" annotate_image
  expect "image serves" serve_image
}
# shellcheck disable=SC2086
annotate_image() { "${as_nobody[@]}" $annotate | answer_of; }
serve_image() {
  local port=18473 pid
  "${as_nobody[@]}" serve --host 127.0.0.1 --port $port >&2 &
  pid=$!
  local tries=0
  until curl -sf "http://127.0.0.1:$port/healthz" >/dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { kill $pid; return 1; }
    sleep 0.2
  done
  curl -s -F "image=@$picture" -F task=od "http://127.0.0.1:$port/v1/annotate" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["results"][0]["text"])'
  kill $pid
  wait $pid || true
}

# A processor with SSE2 and SSE3 alone, as all for x86-64 have.
try_sse2() {
  tar xzf "dist/uffizi-$version-linux-x86_64.tar.gz" -C "$scratch"
  expect "x86-64 with SSE2 alone" sse2_tarball
}
# shellcheck disable=SC2086
sse2_tarball() {
  qemu-x86_64 -cpu qemu64 "$scratch/uffizi-$version-linux-x86_64/bin/uffizi" ${annotate/\/try\/picture.jpg/$picture} | answer_of
}

# ARM: Debian 12's files for it, unpacked and run by qemu.
try_arm64() {
  local sys=$roots/arm64 file
  if [ ! -f "$roots/arm64.made" ]; then
    rm -rf "$sys"
    debootstrap --foreign --variant=minbase --arch=arm64 --include=python3,libpython3-stdlib bookworm "$sys" "$debian/debian" \
      >"$roots/arm64.log" 2>&1 || { echo "absent  arm64: its packages cannot be reached from here"; return; }
    for file in "$sys"/var/cache/apt/archives/*.deb; do dpkg-deb -x "$file" "$sys"; done
    touch "$roots/arm64.made"
  fi
  local folder=$scratch/arm64
  mkdir -p "$folder"
  tar xzf "dist/uffizi-$version-linux-aarch64.tar.gz" -C "$folder"
  expect "arm64 tarball" arm64_tarball "$sys" "$folder/uffizi-$version-linux-aarch64"
  python3 -m zipfile -e "dist/uffizi-$version-cp311-cp311-manylinux_2_28_aarch64.whl" "$folder/python"
  requirements 3.11 aarch64 "$folder/wheels"
  for file in "$folder"/wheels/*.whl; do python3 -m zipfile -e "$file" "$folder/python"; done
  expect "arm64 wheel" arm64_wheel "$sys" "$folder/python"
}
arm64_tarball() { qemu-aarch64 -L "$1" "$2/bin/uffizi" annotate "$picture" --task od --format jsonl --quiet | answer_of; }
arm64_wheel() {
  qemu-aarch64 -L "$1" -E "PYTHONPATH=$2" -E PYTHONHOME="$1/usr" "$1/usr/bin/python3.11" -c \
    "import uffizi; print(uffizi.Florence2.from_pretrained()('$picture', '<OD>').text)"
}

# The wheels with each Python, where nothing else is to be found, no compiler in particular.
try_pythons() {
  local python
  for python in 3.9 3.10 3.11 3.12 3.13 3.14; do expect "Python $python wheel" python_wheel "$python"; done
}
python_wheel() {
  local folder=$scratch/python-$1 home=$root/build/dist/python/$1
  scripts/dist/python.sh "$1" "$home" >&2
  requirements "$1" x86_64 "$folder/wheels"
  local run=(env -i -C "$folder" PATH=/nowhere HOME="$folder" LD_LIBRARY_PATH="$home:$home/lib" PYTHONPATH="$folder/site"
    "$home/bin/python$1")
  "${run[@]}" -m pip install -q --disable-pip-version-check --no-index --find-links "$root/dist" --find-links "$folder/wheels" \
    --target "$folder/site" "uffizi==$version" >&2 || return 1
  "${run[@]}" "$folder/site/bin/uffizi" --version >&2
  "${run[@]}" -c "import uffizi; print(uffizi.Florence2.from_pretrained()('$root/$picture', '<OD>').text)"
}

# try_source COMPILER: README's two commands from a clean clone on Debian 13.
try_source() {
  local compiler=$1 log=$roots/source-$1.log
  make_root trixie-source "$debian/debian" trixie "git ca-certificates clang g++-12" || { echo "absent  source: no Debian 13"; return; }
  open_root trixie-source
  mkdir -p "$roots/cache" "$trial/src"
  mount --bind "$roots/cache" "$trial/root"
  git archive HEAD | tar x -C "$trial/src"
  inside "update-ca-certificates >/dev/null; cd /src && git init -q && git add -A && git -c user.name=x -c user.email=x@x commit -qm x"
  if inside "cd /src && export CXX=$compiler && ./run demo && $compiler --version && ./run test ${UFFIZI_TRYOUT_TESTS:-}" >"$log" 2>&1; then
    echo "ok      source: ./run demo and ./run test ${UFFIZI_TRYOUT_TESTS:-}on Debian 13 with $compiler"
    passed=$((passed + 1))
  else
    echo "FAILED  source with $compiler: $log"
    failed=$((failed + 1))
  fi
  remove_trial
}

wanted=$(reference)
echo "wanted: $wanted"
for linux in "${linuxes[@]}"; do
  case $linux in
    bullseye) try_linux bullseye "$debian/debian" bullseye \
      "python3 python3-venv openjdk-11-jre-headless openjdk-17-jre-headless" 'java-17-*' 'java-11-*' ;;
    trixie) try_linux trixie "$debian/debian" trixie "python3 python3-venv default-jre-headless" 'java-2*' ;;
    jammy) try_linux jammy "$ubuntu/ubuntu" jammy "python3 python3-venv openjdk-17-jre-headless" 'java-17-*' ;;
    noble) try_linux noble "$ubuntu/ubuntu" noble "python3 python3-venv openjdk-21-jre-headless" 'java-21-*' ;;
    source:*) try_source "${linux#*:}" ;;
    *) "try_$linux" ;;
  esac
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
