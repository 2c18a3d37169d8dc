"""`python -m uffizi` and `uffizi`: the command line."""

from __future__ import annotations

import argparse
import os
import pathlib
import signal
import sys
from typing import NoReturn


def annotate_parquet_files(arguments: list[str]) -> int:
    """`uffizi annotate x.parquet`, which the program leaves to Python."""
    from . import Error, annotate_parquet

    parser = argparse.ArgumentParser(
        prog="uffizi annotate",
        description="Ask a model about the pictures in Parquet files.",
        epilog="Of Parquet files only these options are there; docs/python.md tells about them.",
    )
    parser.add_argument("files", nargs="+", metavar="FILE.parquet")
    parser.add_argument("--task", action="append", default=[], help="may be repeated")
    parser.add_argument("--prompt", action="append", default=[], help="a prompt of your own")
    parser.add_argument("--as", dest="answer_as", help="task whose answers the prompts' look like")
    parser.add_argument("--text", help="input of a task that takes text")
    parser.add_argument("--region", help="input of a region task: x1,y1,x2,y2 in pixels")
    parser.add_argument("--output", required=True, help="FILE.parquet or FILE.jsonl")
    parser.add_argument(
        "--column", help="the column of pictures (default: image, bytes, path, ...)"
    )
    parser.add_argument("--model", help="model folder or name")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--beams", type=int)
    parser.add_argument("--tiles", default="")
    parser.add_argument("--min-score", type=float)
    parser.add_argument("--labels", type=lambda text: text.split(","))
    parser.add_argument("--allow-private-urls", action="store_true")
    parser.add_argument("--restart", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)
    if not options.task and not options.prompt:
        parser.error("say what to ask: --task od")
    search = {} if options.beams is None else {"num_beams": options.beams}
    try:
        annotate_parquet(
            options.files,
            options.output,
            options.task + options.prompt,
            column=options.column,
            model=options.model or os.environ.get("UFFIZI_MODEL"),
            batch_size=options.batch,
            text=options.text,
            region=options.region,
            tiles=options.tiles,
            min_score=options.min_score,
            labels=options.labels,
            answer_as=options.answer_as,
            allow_private_urls=options.allow_private_urls,
            restart=options.restart,
            progress=not options.quiet,
            **search,
        )
    except (Error, ImportError) as error:
        print(f"uffizi: {error}", file=sys.stderr)
        return 2
    return 0


def main() -> NoReturn:
    """Becomes the program, or in what releases bring, where it is inside the native part, runs it;
    but for Parquet files, which it does not read."""
    given = sys.argv[1:]
    if given[:1] == ["annotate"] and any(
        argument.endswith(".parquet") and before != "--output"
        for before, argument in zip(given, given[1:])
    ):
        sys.exit(annotate_parquet_files(given[1:]))
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
