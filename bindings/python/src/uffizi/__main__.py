"""`python -m uffizi` and `uffizi`: the command line, which is a program inside the package."""

from __future__ import annotations

import os
import pathlib
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Becomes the program."""
    program = pathlib.Path(__file__).parent / "bin" / "uffizi"
    sys.stdout.flush()
    os.execv(program, ["uffizi", *sys.argv[1:]])


if __name__ == "__main__":
    main()
