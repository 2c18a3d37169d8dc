#!/usr/bin/env bash
# Builds the jar of one Spark line with Maven, after CMake made the native part in build/PRESET/jvm.
#   build.sh BUILD_DIR [mvn arguments]
set -euo pipefail
build_dir=$(realpath "$1")
shift
cd "$(dirname "${BASH_SOURCE[0]}")"
# -B: no colours and questions; -ntp: no line for each kilobyte of a download.
exec mvn -q -Dmaven.wagon.http.retryHandler.count=3 -B -ntp -Duffizi.native.dir="$build_dir/jvm/native" "$@"
