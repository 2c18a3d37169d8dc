#!/usr/bin/env bash
# Unpacks a Python for x86-64, from the package of Maven Central that has them, once:
#   python.sh VERSION FOLDER    3.9 to 3.14
# Its headers serve both processors: what 64-bit ARM's have otherwise is for compiling the interpreter itself.
set -euo pipefail
version=$1 folder=$2
release=
for release in 3.9.6-1.5.6 3.10.8-1.5.8 3.11.3-1.5.9 3.12.1-1.5.10 3.13.5-1.5.12 3.14.3-1.5.13; do
  case $release in "$version".*) break ;; esac
  release=
done
[ -n "$release" ] || { echo "no Python $version is known here" >&2; exit 1; }
[ ! -x "$folder/bin/python$version" ] || exit 0
mkdir -p "$folder"
work=$(mktemp -d -p "$folder")
trap 'rm -rf "$work"' EXIT
mvn -q -B -ntp dependency:copy -Dartifact="org.bytedeco:cpython:$release:jar:linux-x86_64" -DoutputDirectory="$work"
python3 -m zipfile -e "$work/cpython-$release-linux-x86_64.jar" "$work"
cp -r "$work/org/bytedeco/cpython/linux-x86_64/." "$folder/"
chmod +x "$folder/bin/python$version"
