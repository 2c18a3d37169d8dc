"""Measure a model by the answers of the `uffizi` command on held-out scenes: in the drawing styles used in
training, and in the one that was not."""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from calibration import found_boxes, found_masks, found_phrases, trust
from evalset import held_out
from metrics import (
    caption_accuracy,
    detection_ap,
    grounding_accuracy,
    ocr_accuracy,
    rejected,
    segmentation_iou,
)
from scenes import HELD_OUT
from things import with_article

FIGURES = {
    "ap50": "AP50",
    "ap": "AP50:95",
    "ap_unscored": "without scores",
    "caption": "caption",
    "ocr": "OCR",
    "grounding": "grounding",
    "miou": "mIoU",
    "absent_grounded": "absent, grounding",
    "absent_segmented": "absent, segmentation",
}
Figures = dict[str, Any]


def ask_uffizi(command: list[str], picture: Path, questions: list[tuple[str, str]]) -> list[Any]:
    """One run of the command: it encodes the picture once and answers all tasks, each with its text."""
    for task, text in questions:
        command = [*command, "--prompt", task + text]
    run = subprocess.run([*command, str(picture)], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{' '.join(command)} {picture}\n{run.stderr or run.stdout}")
    return [json.loads(line)["result"] for line in run.stdout.splitlines()]


def measure(command: list[str], scenes: list[tuple[Path, dict]]) -> Figures:
    """All figures of one group of scenes."""

    def answers_of(scene: tuple[Path, dict]) -> list[Any]:
        picture, truth = scene
        grounding, segmentation = (
            "<CAPTION_TO_PHRASE_GROUNDING>",
            "<REFERRING_EXPRESSION_SEGMENTATION>",
        )
        questions = [
            ("<OD>", ""),
            ("<CAPTION>", ""),
            ("<OCR>", ""),
            (grounding, truth["caption"]),
            (segmentation, truth["referred"]),
            (grounding, with_article(truth["absent"])),
            (segmentation, "the " + truth["absent"]),
        ]
        return ask_uffizi(command, picture, questions)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = pool.map(answers_of, scenes)
    boxes, captions, texts, phrases, masks, *absent = map(list, zip(*answers, strict=True))
    truths = [truth for _, truth in scenes]
    ap50, ap = detection_ap(truths, boxes)
    unscored = [box | {"scores": [1.0] * len(box["labels"])} for box in boxes]
    return {
        "ap50": ap50,
        "ap": ap,
        "ap_unscored": detection_ap(truths, unscored)[1],
        "scores": {
            "od": trust(found_boxes(truths, boxes)),
            "grounding": trust(found_phrases(truths, phrases)),
            "segmentation": trust(found_masks(truths, masks)),
        },
        "caption": caption_accuracy(truths, captions),
        "ocr": ocr_accuracy(truths, texts),
        "grounding": grounding_accuracy(truths, phrases),
        "miou": segmentation_iou(truths, masks),
        "absent_grounded": rejected(absent[0]),
        "absent_segmented": rejected(absent[1]),
    }


def table(report: dict[str, dict[str, Figures]]) -> str:
    """The report as a Markdown table."""
    lines = [
        "| styles | arithmetic | " + " | ".join(FIGURES.values()) + " |",
        "|---" * (2 + len(FIGURES)) + "|",
    ]
    for group, modes in report.items():
        for mode, figures in modes.items():
            lines.append(
                f"| {group} | {mode} | "
                + " | ".join(f"{figures[name]:.3f}" for name in FIGURES)
                + " |"
            )
    return "\n".join(lines)


def score_table(report: dict[str, dict[str, Figures]]) -> str:
    """What scores are worth, as a Markdown table."""
    lines = [
        "| styles | arithmetic | task | regions | right | calibration error | precision at 0.5 | right ones kept |",
        "|---" * 8 + "|",
    ]
    for group, modes in report.items():
        for mode, figures in modes.items():
            for task, told in figures["scores"].items():
                shares = ("right", "ece", "precision", "kept")
                lines.append(
                    f"| {group} | {mode} | {task} | {told['regions']} | "
                    + " | ".join(f"{told[name]:.3f}" for name in shares)
                    + " |"
                )
    return "\n".join(lines)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("build/training"))
    parser.add_argument("--model", type=Path, default=Path("models/uffizi-tiny"))
    parser.add_argument("--uffizi", type=Path, default=Path("build/release/bin/uffizi"))
    parser.add_argument("--compute", nargs="+", default=["f32", "int4"])
    parser.add_argument(
        "--groups",
        nargs="+",
        choices=HELD_OUT,
        default=["seen", "unseen"],
        help="of scenes: drawn in the styles of training or in another one, from the 49 classes of old or from all, "
        "or photographs",
    )
    parser.add_argument("--scenes", type=int, default=500, help="of each group")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    report: dict[str, dict[str, Figures]] = {}
    for group in options.groups:
        try:
            scenes = held_out(options.data, group, options.scenes)
        except FileNotFoundError as missing:
            sys.exit(f"the scenes of {group} cannot be drawn: {missing}")
        report[group] = {}
        for mode in options.compute:
            command = [
                str(options.uffizi),
                "annotate",
                "--model",
                str(options.model),
                "--compute",
                mode,
            ]
            report[group][mode] = measure(
                [*command, "--threads", "1", "--format", "jsonl", "--quiet"], scenes
            )
    print(table(report), score_table(report), sep="\n\n")
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
