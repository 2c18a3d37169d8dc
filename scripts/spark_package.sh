#!/usr/bin/env bash
# Builds dist/uffizi_spark-*-py3-none-any.whl from the jars in build/jvm, or from those in a folder:
# the Python module of the stages and the jars for all kinds of Spark.
#   spark_package.sh [FOLDER_OF_JARS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
jars=("${1:-build/jvm}"/uffizi-spark*.jar "${1:-build/jvm}"/spark*/uffizi-spark*.jar)
version=$(sed -nE 's/.*project\(uffizi VERSION ([0-9.]+).*/\1/p' CMakeLists.txt)
stage=build/spark-package
rm -rf "$stage" dist/uffizi_spark-*.whl
mkdir -p "$stage/uffizi/spark/jars" dist
cp bindings/python/src/uffizi/spark/*.py bindings/python/src/uffizi/py.typed "$stage/uffizi/spark/"
for jar in "${jars[@]}"; do
  [[ $jar == *-"$version".jar && -f $jar ]] && cp "$jar" "$stage/uffizi/spark/jars/"
done
ls "$stage"/uffizi/spark/jars/*.jar
cp bindings/python-spark/README.md "$stage/"
cp LICENSE "$stage/"
sed "s/@VERSION@/$version/" bindings/python-spark/pyproject.toml >"$stage/pyproject.toml"
scripts/python_env.sh build/package-env - <<<hatchling
build/package-env/bin/pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
  --wheel-dir dist "$stage"
ls dist/uffizi_spark-*.whl
