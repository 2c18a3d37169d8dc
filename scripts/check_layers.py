#!/usr/bin/env python3
"""Checks that the folders of src/ depend on each other only as their CMakeLists.txt declare.

- A layer depends only on layers that src/CMakeLists.txt adds before it.
- A file includes headers of its own layer, and public headers (HEADERS) of the layers that its own
  layer names (DEPS). Programs and bindings include public headers only.
- No two files define a type of one name in one namespace: linked into one program they would be
  undefined behaviour that no compiler tells of.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAYER = re.compile(r"uffizi_layer\(\s*(\w+)(.*?)\)", re.S)
INCLUDE = re.compile(r'^#include "(\w+)/([\w./-]+)"', re.M)
# Code above the layers, which may include any public header.
DOORS = ("apps/", "bindings/")


def read_layers() -> dict[str, dict[str, list[str]]]:
    """Layer -> {"HEADERS": [...], "DEPS": [...], ...} in the order of src/CMakeLists.txt."""
    layers = {}
    order = re.findall(r"add_subdirectory\((\w+)\)", (ROOT / "src/CMakeLists.txt").read_text())
    for folder in order:
        text = re.sub(r"#.*", "", (ROOT / "src" / folder / "CMakeLists.txt").read_text())
        name, body = LAYER.search(text).groups()
        parts: dict[str, list[str]] = defaultdict(list)
        keyword = ""
        for word in body.split():
            if word in ("SOURCES", "HEADERS", "DEPS", "LIBS"):
                keyword = word
            else:
                parts[keyword].append(word)
        # A layer that exists only in some builds is linked separately.
        parts["DEPS"] += re.findall(r"uffizi_%s PRIVATE uffizi_(\w+)" % name, text)
        layers[name] = parts
    return layers


def known_files(*patterns: str) -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in names.split("\n") if name and (ROOT / name).exists()]


def check_includes(layers: dict[str, dict[str, list[str]]]) -> list[str]:
    faults = []
    order = list(layers)
    for name, parts in layers.items():
        for dep in parts["DEPS"]:
            if dep not in layers:
                faults.append(f"src/{name}/CMakeLists.txt: there is no layer {dep}")
            elif order.index(dep) > order.index(name):
                faults.append(f"src/{name}/CMakeLists.txt: stands on {dep}, which comes after it")
        for header in parts["HEADERS"]:
            if not (ROOT / "src" / name / header).exists():
                faults.append(f"src/{name}/CMakeLists.txt: there is no header {header}")
    for file in known_files("src/*.cc", "src/*.h", "src/*.inc", "apps/*", "bindings/*.cc"):
        if not file.endswith((".cc", ".h", ".inc")):
            continue
        own = file.split("/")[1] if file.startswith("src/") else None
        for layer, header in INCLUDE.findall((ROOT / file).read_text()):
            if layer not in layers or layer == own:
                continue
            if own and layer not in layers[own]["DEPS"]:
                faults.append(f"{file}: includes {layer}/{header}; {own} does not stand on {layer}")
            elif header not in layers[layer]["HEADERS"]:
                faults.append(f"{file}: includes {layer}/{header}, which {layer} keeps to itself")
    return faults


def defined_types(text: str) -> list[str]:
    """The types that a file defines with linkage, with their namespaces."""
    types, scopes = [], []
    text = re.sub(r'//.*|"(?:\\.|[^"\\\n])*"', "", text)
    token = re.compile(
        r"\bnamespace\s*([\w:]*)\s*\{"
        r"|^(?:template\s*<[^{;]*>\s*)?(?:class|struct|enum class|enum|union)\s+(?:UFFIZI_API\s+)?"
        r"(\w+)(?:\s+final)?(?:\s*:[^:{;][^{;]*)?\s*\{"
        r"|[{}]",
        re.M,
    )
    for match in token.finditer(text):
        if match.group(1) is not None:
            scopes.append(match.group(1) or "(anonymous)")
        elif match.group(2):
            inside = [scope for scope in scopes if scope is not None]
            if None not in scopes and "(anonymous)" not in inside:
                types.append("::".join([*inside, match.group(2)]))
            scopes.append(None)
        elif match.group() == "{":
            scopes.append(None)
        elif scopes:
            scopes.pop()
    return types


def check_types() -> list[str]:
    places = defaultdict(set)
    # An -inl.h is compiled once for each instruction set, in a namespace that Highway names.
    for file in known_files("src/*.cc", "src/*.h", "apps/*.cc", "apps/*.h", "include/*.h"):
        if not file.endswith("-inl.h"):
            for name in defined_types((ROOT / file).read_text()):
                places[name].add(file)
    return [
        f"{name} is defined in {' and in '.join(sorted(files))}"
        for name, files in places.items()
        if len(files) > 1
    ]


def main() -> None:
    faults = check_includes(read_layers()) + check_types()
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
