#!/usr/bin/env bash
# Runs the tests of the jar. CMake must have built its native library.
#   spark_test.sh BUILD_DIR jar       build the jar for Spark 4 and run Maven's tests (Java, Scala)
#   spark_test.sh BUILD_DIR python    the tests of PySpark with that jar, without the slow ones
#   spark_test.sh BUILD_DIR slow      those: a cluster, what needs the wheel, the package
#   spark_test.sh BUILD_DIR scale [N] N (100000) tiny pictures on executors that are killed and slowed
#   spark_test.sh BUILD_DIR full      both, with the long tests, and the same for Spark 3.5
#   spark_test.sh BUILD_DIR measure   the overhead of the stage compared with a hand-written job
set -euo pipefail
build_dir=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jar() { bindings/jvm/build.sh "$build_dir" package "$@"; }

# python_tests FOLDER MARKER REQUIREMENT...: PySpark's tests of that marker in an environment of
# these packages.
python_tests() {
  local folder=$1 marker=$2
  shift 2
  printf '%s\n' "$@" | scripts/python_env.sh "$folder" -
  "$folder/bin/python" -m pytest -q -p no:cacheprovider --timeout 400 --durations 5 \
    -m "$marker" tests/system/spark
}
requirements=$(grep -v '^#' tests/system/spark/requirements.txt)

case $2 in
  jar) jar ;;
  # shellcheck disable=SC2086 # a word for each requirement
  python) python_tests build/spark-env "not slow" $requirements ;;
  # shellcheck disable=SC2086
  slow) python_tests build/spark-env slow $requirements ;;
  # shellcheck disable=SC2086
  scale)
    jar -DskipTests
    printf '%s\n' $requirements | scripts/python_env.sh build/spark-env -
    UFFIZI_SCALE=${3:-100000} build/spark-env/bin/python -m pytest -q -s -p no:cacheprovider \
      tests/system/spark/test_scale.py
    ;;
  full)
    jar -Duffizi.excluded.tags=measurement
    jar -Pspark-3.5
    jar -Pspark-3.5_2.13
    # shellcheck disable=SC2086
    python_tests build/spark-env "" $requirements
    # setuptools: PySpark 3.5 still imports distutils, which Python 3.12 dropped.
    # shellcheck disable=SC2086
    python_tests build/spark3.5-env "" setuptools ${requirements/pyspark==4.0.1/pyspark==3.5.6}
    ;;
  measure) jar -Duffizi.tags=measurement -Duffizi.excluded.tags=none ;;
  *)
    sed -nE 's/^#  ? ?//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
