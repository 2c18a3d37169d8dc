"""`python -m uffizi` and `uffizi`: the command line."""

from __future__ import annotations

import os
import pathlib
import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Becomes the program, or in what releases bring, where it is inside the native part, runs it."""
    here = pathlib.Path(__file__).parent
    arguments = ["uffizi", *sys.argv[1:]]
    program = here / "bin" / "uffizi"
    sys.stdout.flush()
    if program.exists():
        os.execv(program, arguments)
    from . import _native

    # As in a program of its own: Python ignores the one and raises an exception for the other.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if not os.environ.get("UFFIZI_MODEL"):
        os.environ["UFFIZI_MODEL"] = str(here / "share" / "uffizi" / "models" / "uffizi-tiny")
    sys.exit(_native.command_line(arguments))  # type: ignore[attr-defined]  # of releases alone


if __name__ == "__main__":
    main()
