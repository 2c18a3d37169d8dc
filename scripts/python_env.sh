#!/usr/bin/env bash
# The one way to make a Python environment of this project:
#   python_env.sh FOLDER REQUIREMENTS    REQUIREMENTS is a file, or - for standard input
# Installs what REQUIREMENTS lists into FOLDER, made if it is not there. Nothing is done while the
# list is the one that FOLDER was made from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$1
wanted=$(cat "${2/#-//dev/stdin}")
[ "$wanted" = "$(cat "$folder/requirements.txt" 2>/dev/null)" ] && exit
echo "installing Python packages in $folder" >&2
[ -x "$folder/bin/python" ] || python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check --requirement /dev/stdin <<<"$wanted"
echo "$wanted" >"$folder/requirements.txt"
