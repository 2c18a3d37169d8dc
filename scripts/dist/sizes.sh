#!/usr/bin/env bash
# Prints the table of docs/dependencies.md: KB of code and constants in each static library on x86-64.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python3 - <<'PY'
import json, pathlib, subprocess
files = {
    "zlib": ["z"], "bzip2": ["bz2"], "lz4": ["lz4"], "xz-utils": ["lzma"], "libzstd": ["zstd"], "giflib": ["gif"],
    "libjpeg-turbo": ["jpeg"], "libpng1.6": ["png16"], "tiff": ["tiff"], "libwebp": ["webp", "webpdemux"], "highway": ["hwy"],
    "onetbb": ["tbb"], "pugixml": ["pugixml"], "fmtlib": ["fmt"], "agg": ["agg_pic"], "openssl": ["crypto", "ssl"], "curl": ["curl"],
    "libarchive": ["archive"], "openjpeg2": ["openjp2"], "gcc-12": ["stdc++", "gcc_eh", "gcc"],
}
for component in json.loads(pathlib.Path("scripts/dist/components.json").read_text()):
    total = 0
    for name in files.get(component["package"], []):
        library = pathlib.Path("build/dist/x86_64/lib") / f"lib{name}.a"
        if not library.exists():  # the compiler's own
            library = subprocess.check_output(["g++", f"-print-file-name=lib{name}.a"], text=True).strip()
        rows = subprocess.check_output(["size", library], text=True, stderr=subprocess.DEVNULL).splitlines()[1:]
        total += sum(int(row.split()[0]) + int(row.split()[1]) for row in rows)
    size = f"{total / 1024:.0f}" if total else "headers"
    print(f"| {component['name']} | {component['use']} | {component['license']} | {size} |")
PY
