#!/usr/bin/env bash
# The tests of the jar: those of Maven (Java and Scala), then those of PySpark with that jar.
#   spark_test.sh BUILD_DIR [--full]
# --full also runs the long tests, and builds and tests the jars of Spark 3.5.
set -euo pipefail
build_dir=$(realpath "$1")
full=${2:-}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jar=bindings/jvm/build.sh

# spark_env FOLDER REQUIREMENT...: a Python environment with PySpark.
spark_env() {
  local folder=$1
  shift
  [ "$(cat "$folder/requirements" 2>/dev/null)" = "$*" ] && return
  python3 -m venv --clear "$folder"
  "$folder/bin/pip" install --quiet "$@"
  echo "$*" >"$folder/requirements"
}
pyspark_tests() { "$1/bin/python" -m pytest -q -p no:cacheprovider tests/spark "${@:2}"; }

if [ "$full" != --full ]; then
  $jar "$build_dir" package
  spark_env build/spark-env $(grep -v '^#' tests/spark/requirements.txt)
  pyspark_tests build/spark-env
  exit
fi
$jar "$build_dir" package -Duffizi.excluded.tags=none
$jar "$build_dir" package -Pspark-3.5
$jar "$build_dir" package -Pspark-3.5_2.13
spark_env build/spark-env $(grep -v '^#' tests/spark/requirements.txt)
pyspark_tests build/spark-env
# setuptools: PySpark 3.5 still imports distutils, which Python 3.12 dropped.
spark_env build/spark3.5-env numpy pyspark==3.5.6 pytest setuptools
pyspark_tests build/spark3.5-env
