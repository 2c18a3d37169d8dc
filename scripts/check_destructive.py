#!/usr/bin/env python3
"""Checks that only one part of the program creates, replaces, truncates, links and removes files.

src/core/owned_files.cc and owned_folders.cc never replace a person's file, and remove nothing that they did
not make. Everything else in src/, apps/ and bindings/ calls them. Java
and Scala cannot: the few files below may touch what they have just made in a folder of temporary
files.

  check_destructive.py              checks the tree
  check_destructive.py --self-test  checks that each kind of call is found
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OWNERS = {"src/core/owned_files.cc", "src/core/owned_folders.cc"}
# Why each may: what it writes lies in a folder that it has just made with createTempDirectory, or
# in Spark's own folder of temporary files.
TEMPORARY = {
    "bindings/jvm/src/main/java/uffizi/NativeLibrary.java",
    "bindings/jvm/src/main/scala/uffizi/spark/SharedEngines.scala",
    "bindings/jvm/src/main/scala/uffizi/spark/ModelFiles.scala",
    "bindings/jvm/src/main/scala/uffizi/spark/Models.scala",
    "bindings/jvm/src/main/scala/uffizi/spark/ShippedModel.scala",
}

NATIVE = {
    "fs::remove(p)": r"\b(?:fs|filesystem)::(?:remove|remove_all|rename|resize_file)\b",
    "std::rename(a, b)": r"\b(?:std::|::)?(?:rename|renameat2?|truncate|ftruncate|unlink|unlinkat|rmdir)\s*\(",
    "std::remove(name.c_str())": r"\bstd::remove\s*\(\s*[\w.()>-]*(?:c_str\(\)|path)",
    "fs::create_symlink(a, b)": r"\b(?:fs|filesystem)::(?:create_\w*link|copy|copy_file|copy_symlink)\b",
    "symlink(a, b)": r"(?<![\w:.>])(?:symlink|symlinkat|linkat|link)\s*\(\s*\w[\w.]*c_str",
    "std::ofstream out(p)": r"\b(?:std::)?(?:basic_)?ofstream\b",
    "std::fstream io(p)": r"\bstd::fstream\b",
    'fopen(p, "wb")': r'\b(?:fopen|freopen|fdopen)\s*\([^;]*"[wa+]',
    "open(p, O_CREAT)": r"\bO_(?:CREAT|TRUNC|WRONLY|RDWR)\b",
    "mkstemp(p)": r"\b(?:mkstemps?|mkdtemp|tmpfile|creat)\s*\(",
    "fs::create_directories(p)": r"\b(?:fs|filesystem)::create_director(?:y|ies)\b",
}
PYTHON = {
    'open(p, "w")': r"""\bopen\s*\([^)]*["'](?:[waxr]b?t?\+?b?)["']""",
    "p.write_text(t)": r"\.(?:write_text|write_bytes|unlink|rmdir|symlink_to|hardlink_to|touch|rename)\s*\(",
    "os.remove(p)": r"\bos\.(?:remove|unlink|rename|replace|renames|truncate|rmdir|removedirs|symlink|link|open)\s*\(",
    "shutil.rmtree(p)": r"\b(?:shutil|tempfile)\.\w+\s*\(",
    "os.makedirs(p)": r"\bos\.(?:makedirs|mkdir)\s*\(",
}
JVM = {
    "Files.delete(p)": r"\bFiles\.(?:delete\w*|move|copy|write\w*|newBufferedWriter|newOutputStream|create\w+)\s*\(",
    "new FileOutputStream(p)": r"\bnew (?:FileOutputStream|FileWriter|RandomAccessFile|PrintWriter)\b",
}
KINDS = {".cc": NATIVE, ".h": NATIVE, ".py": PYTHON, ".java": JVM, ".scala": JVM}


def without_comments(text: str, suffix: str) -> str:
    if suffix == ".py":
        return re.sub(r"^\s*#.*$", "", text, flags=re.M)
    return re.sub(r"//[^\n]*|/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)


def faults_of(name: str, text: str) -> list[str]:
    faults = []
    suffix = Path(name).suffix
    for number, line in enumerate(without_comments(text, suffix).split("\n"), 1):
        for example, pattern in KINDS.get(suffix, {}).items():
            found = re.search(pattern, line)
            reads = suffix == ".py" and found and re.search(r"""["']rb?t?["']""", found.group())
            if found and not reads:
                faults.append(f"{name}:{number}: {found.group().strip()} (as in {example})")
    return faults


def tree() -> list[str]:
    command = [
        "git",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "src",
        "apps",
        "bindings",
    ]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [n for n in names.split("\n") if n and "/src/test/" not in n and (ROOT / n).is_file()]


def self_test() -> int:
    missed = [
        (suffix, example)
        for suffix, kinds in KINDS.items()
        for example in kinds
        if not faults_of("x" + suffix, example.replace("link(a, b)", "link(a.c_str(), b.c_str())"))
    ]
    harmless = [
        "x.remove_prefix(1);",
        "open(p.c_str(), O_RDONLY)",
        "// fs::remove(p)",
        "truncated = true;",
    ]
    wrong = [line for line in harmless if faults_of("x.cc", line)]
    wrong += [line for line in ['open(p, "rb")', "s.replace(a, b)"] if faults_of("x.py", line)]
    for item in [*missed, *wrong]:
        print(f"check_destructive.py --self-test: {item}", file=sys.stderr)
    return 1 if missed or wrong else 0


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    faults = []
    for name in tree():
        if name not in OWNERS and name not in TEMPORARY:
            faults += faults_of(name, (ROOT / name).read_text(errors="replace"))
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        print("files are made and removed by src/core/owned_files.h alone", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
