"""Draw the reliability diagram of docs/model.md from what `./run eval --json FILE` wrote: for each tenth of the scores,
the share of the regions that are right. The closer to the diagonal, the more a score can be trusted."""

import argparse
import json
from pathlib import Path

SIZE, MARGIN = 360, 48  # of the plot, and around it
COLORS = {"seen": "#1a73e8", "unseen": "#d9480f"}
DASHES = {"f32": "none", "int4": "5 4"}


def x_of(score: float) -> float:
    return MARGIN + SIZE * score


def y_of(share: float) -> float:
    return MARGIN + SIZE * (1 - share)


def text(x: float, y: float, words: str, anchor: str = "middle", extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{words}</text>'


def axes() -> list[str]:
    drawn = [
        f'<rect x="{MARGIN}" y="{MARGIN}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#999"/>',
        f'<path d="M{x_of(0)} {y_of(0)}L{x_of(1)} {y_of(1)}" stroke="#999" stroke-dasharray="2 3"/>',
        text(x_of(0.5), y_of(0) + 38, "score"),
        text(
            14, y_of(0.5), "share of right boxes", extra=f'transform="rotate(-90 14 {y_of(0.5)})"'
        ),
    ]
    for tenth in range(0, 11, 2):
        drawn.append(text(x_of(tenth / 10), y_of(0) + 18, f"{tenth / 10:.1f}"))
        drawn.append(text(x_of(0) - 6, y_of(tenth / 10) + 4, f"{tenth / 10:.1f}", "end"))
    return drawn


def curve(rows: list[dict], color: str, dash: str) -> list[str]:
    """A point for each tenth, the larger the more regions it has."""
    points = [(x_of(row["score"]), y_of(row["right"]), row["regions"]) for row in rows]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y, _ in points)
    drawn = [f'<path d="M{path}" fill="none" stroke="{color}" stroke-dasharray="{dash}"/>']
    for x, y, regions in points:
        radius = 1.5 + regions**0.5 / 8
        drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{color}"/>')
    return drawn


def diagram(report: dict, task: str) -> str:
    drawn = axes()
    line = 0
    for group, modes in report.items():
        for mode, figures in modes.items():
            told = figures["scores"][task]
            color, dash = COLORS[group], DASHES.get(mode, "1 2")
            drawn += curve(told["reliability"], color, dash)
            words = f"{group} {mode}: error {told['ece']:.3f}"
            y = y_of(0) - 68 + 18 * line
            drawn.append(text(x_of(1) - 8, y, words, "end", f'fill="{color}"'))
            line += 1
    side = SIZE + 2 * MARGIN
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}" font-family="sans-serif"'
    ground = f'<rect width="{side}" height="{side}" fill="#fff"/>'
    return "\n".join([f'{head} font-size="13">', ground, *drawn, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, help="written by ./run eval --json FILE")
    parser.add_argument("--task", choices=("od", "grounding", "segmentation"), default="od")
    parser.add_argument("--out", type=Path, default=Path("docs/reliability.svg"))
    options = parser.parse_args()
    options.out.write_text(diagram(json.loads(options.report.read_text()), options.task))


if __name__ == "__main__":
    main()
