#!/usr/bin/env bash
# Makes what drawing scenes needs: build/eval-env, a Python environment with
# training/requirements-scenes.txt, and build/training, with the drawings and fonts of the npm
# packages in training/package-lock.json. Existing files are kept.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# missing WHAT: ends the script with a message about what is missing and what would help.
missing() {
  echo "$1 is missing and could not be installed; it needs a network, once." >&2
  exit 1
}

scripts/python_env.sh build/eval-env training/requirements-scenes.txt ||
  missing "build/eval-env (Python packages of training/requirements-scenes.txt)"

npm=build/training/npm
mkdir -p "$npm"
if ! cmp -s training/package-lock.json "$npm/node_modules/.installed"; then
  echo "installing the drawings and fonts of training/package-lock.json"
  command -v npm >/dev/null || missing "the command npm"
  cp training/package.json training/package-lock.json "$npm"
  npm ci --prefix "$npm" --ignore-scripts --no-audit --no-fund --loglevel error >/dev/null ||
    missing "$npm (npm packages of training/package-lock.json)"
  cp training/package-lock.json "$npm/node_modules/.installed"
fi

# The drawings depend on these files, and on what Debian's packages for training have installed.
recipe=$(
  sha256sum training/{things.py,drawings.py,rasterize.py,package-lock.json}
  ls -d /usr/share/fonts/truetype/ancient-scripts /usr/share/tuxpaint/stamps 2>/dev/null || true
)
if [ "$recipe" != "$(cat build/training/sprites/recipe 2>/dev/null)" ]; then
  rm -rf build/training/sprites
  build/eval-env/bin/python training/rasterize.py --npm "$npm" --out build/training/sprites
  echo "$recipe" >build/training/sprites/recipe
fi
