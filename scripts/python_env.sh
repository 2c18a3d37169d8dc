#!/usr/bin/env bash
# Makes a Python environment; all scripts of this project use it:
#   python_env.sh FOLDER REQUIREMENTS    REQUIREMENTS is a file, or - for standard input
# Installs REQUIREMENTS into FOLDER, which is created if necessary. Does nothing if FOLDER was made
# from the same list.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$1
wanted=$(cat "${2/#-//dev/stdin}")
[ "$wanted" = "$(cat "$folder/requirements.txt" 2>/dev/null)" ] && exit
echo "installing Python packages in $folder" >&2
[ -x "$folder/bin/python" ] || python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check --requirement /dev/stdin <<<"$wanted"
echo "$wanted" >"$folder/requirements.txt"
