#!/usr/bin/env bash
# format.sh [--check]: runs clang-format and ruff, including ruff's linter, on all tracked files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/python_env.sh build/format-env - <<<'ruff==0.14.*'
ruff=build/format-env/bin/ruff
mapfile -t sources < <(git ls-files '*.cc' '*.h' '*.c')
if [ "${1:-}" = --check ]; then
  clang-format --dry-run --Werror "${sources[@]}"
  "$ruff" format --quiet --diff .
  "$ruff" check --quiet .
else
  clang-format -i "${sources[@]}"
  "$ruff" check --quiet --fix .
  "$ruff" format --quiet .
fi
