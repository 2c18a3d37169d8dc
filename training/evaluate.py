"""Measure the bundled model on held-out scenes, in seen styles and in the one that training never showed."""

import argparse
import json
from pathlib import Path

from backends import Backend, TorchBackend, UffiziBackend
from evalset import held_out
from metrics import caption_accuracy, detection_ap, grounding_accuracy, ocr_accuracy, segmentation_iou

FIGURES = ("ap50", "ap", "caption", "ocr", "grounding", "miou")


def measure(backend: Backend, folder: Path, group: str, count: int) -> dict[str, float]:
    """All figures of one group of scenes."""
    pictures, truths = zip(*held_out(folder, group, count), strict=True)
    asked = [
        [
            ("<OD>", ""),
            ("<CAPTION>", ""),
            ("<OCR>", ""),
            ("<CAPTION_TO_PHRASE_GROUNDING>", truth["caption"]),
            ("<REFERRING_EXPRESSION_SEGMENTATION>", truth["referred"]),
        ]
        for truth in truths
    ]
    results = list(backend.answer(list(pictures), asked))
    answers = {task: [result[task] for result in results] for task, _ in asked[0]}
    ap50, ap = detection_ap(list(truths), answers["<OD>"])
    return {
        "ap50": ap50,
        "ap": ap,
        "caption": caption_accuracy(list(truths), answers["<CAPTION>"]),
        "ocr": ocr_accuracy(list(truths), answers["<OCR>"]),
        "grounding": grounding_accuracy(list(truths), answers["<CAPTION_TO_PHRASE_GROUNDING>"]),
        "miou": segmentation_iou(list(truths), answers["<REFERRING_EXPRESSION_SEGMENTATION>"]),
    }


def table(report: dict[str, dict[str, dict[str, float]]]) -> str:
    """The report as a Markdown table."""
    lines = ["| styles | arithmetic | " + " | ".join(FIGURES) + " |", "|---" * (2 + len(FIGURES)) + "|"]
    for group, modes in report.items():
        for mode, figures in modes.items():
            lines.append(f"| {group} | {mode} | " + " | ".join(f"{figures[name]:.3f}" for name in FIGURES) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("build/training"))
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--uffizi", type=Path, default=Path("build/release/bin/uffizi"))
    parser.add_argument("--backend", choices=("uffizi", "torch"), default="uffizi")
    parser.add_argument("--compute", nargs="+", default=["f32", "int4"])
    parser.add_argument("--groups", nargs="+", default=["seen", "unseen"])
    parser.add_argument("--scenes", type=int, default=500, help="of each group")
    parser.add_argument("--jobs", type=int, default=2, help="runs of uffizi at a time")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    report: dict[str, dict[str, dict[str, float]]] = {group: {} for group in options.groups}
    for mode in ["f32"] if options.backend == "torch" else options.compute:
        if options.backend == "torch":
            backend: Backend = TorchBackend(options.model)
        else:
            backend = UffiziBackend(options.uffizi, options.model, mode, options.jobs)
        for group in options.groups:
            report[group][mode] = measure(backend, options.data, group, options.scenes)
    print(table(report))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
