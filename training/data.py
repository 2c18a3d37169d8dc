"""Batches of scenes with questions, drawn on the fly by worker processes."""

import random
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from answers import ask, possible_tasks
from model import DENSE_LABELS, GRID, IMAGE_SIDE
from scenes import TRAINING, Limits, Scene, Studio
from tokens import PAD

TASK_WEIGHTS = {
    "<OCR>": 0.9,
    "<OCR_WITH_REGION>": 0.9,
    "<CAPTION>": 9.0,
    "<DETAILED_CAPTION>": 1.0,
    "<MORE_DETAILED_CAPTION>": 0.6,
    "<OD>": 3.0,
    "<DENSE_REGION_CAPTION>": 0.8,
    "<REGION_PROPOSAL>": 0.4,
    "<CAPTION_TO_PHRASE_GROUNDING>": 1.1,
    "<REFERRING_EXPRESSION_SEGMENTATION>": 1.8,
    "<REGION_TO_SEGMENTATION>": 0.7,
    "<OPEN_VOCABULARY_DETECTION>": 1.0,
    "<REGION_TO_CATEGORY>": 0.7,
    "<REGION_TO_DESCRIPTION>": 0.6,
    "<REGION_TO_OCR>": 0.7,
}
READING_TASKS = ("<OCR>", "<OCR_WITH_REGION>", "<REGION_TO_OCR>")
NOTHING_TO_READ_WEIGHT = 0.15
# Pictures seen -> how many things a scene may have.
CURRICULUM = ((0, 1), (12_000, 2), (30_000, 4), (60_000, 6))
PAGE = Limits(most_things=2, most_signs=8, sign_chance=0.95)


@dataclass
class Example:
    """One picture with its questions. picture: [3, side, side] u8; questions: ids of prompt and answer, and whether it
    asks for a caption."""

    picture: Tensor
    questions: list[tuple[list[int], list[int], bool]]
    labels: Tensor
    boxes: Tensor
    counts: Tensor


@dataclass
class Questions:
    """Questions of similar length. owner: [n], the picture of each; prompts, answers: [n, length] padded
    ids; captions: [m], those that ask for a caption."""

    owner: Tensor
    prompts: Tensor
    answers: Tensor
    captions: Tensor

    def to(self, device: torch.device) -> "Questions":
        return Questions(
            self.owner.to(device),
            self.prompts.to(device),
            self.answers.to(device),
            self.captions.to(device),
        )


@dataclass
class Batch:
    pictures: Tensor
    labels: Tensor
    boxes: Tensor
    counts: Tensor
    questions: list[Questions]

    def to(self, device: torch.device) -> "Batch":
        return Batch(
            self.pictures.to(device),
            self.labels.to(device),
            self.boxes.to(device),
            self.counts.to(device),
            [questions.to(device) for questions in self.questions],
        )


def squash(picture: Image.Image) -> Image.Image:
    """The picture as the model gets it: a square, Pillow's bicubic."""
    return picture.convert("RGB").resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BICUBIC)


def dense_targets(scene: Scene) -> tuple[Tensor, Tensor, Tensor]:
    """For each cell of the token grid: the label of what covers its centre (the smaller wins), its box, 0 to 1, and how
    many things of its class there are, 0 where there is none."""
    labels = np.full((GRID, GRID), len(DENSE_LABELS))
    counts = np.zeros((GRID, GRID), np.int64)
    number = Counter(thing.name for thing in scene.things)
    boxes = np.zeros((GRID, GRID, 4), np.float32)
    scale = np.array([scene.picture.width, scene.picture.height] * 2)
    named = [(t.name, t.box) for t in scene.things] + [(s.text, s.box) for s in scene.signs]
    found = [(name, np.array(box) / scale) for name, box in named]
    found.sort(key=lambda item: -(item[1][2] - item[1][0]) * (item[1][3] - item[1][1]))
    centers = (np.arange(GRID) + 0.5) / GRID
    for name, box in found:
        columns, rows = (
            (centers >= box[0]) & (centers <= box[2]),
            (centers >= box[1]) & (centers <= box[3]),
        )
        columns[min(GRID - 1, int((box[0] + box[2]) / 2 * GRID))] = True
        rows[min(GRID - 1, int((box[1] + box[3]) / 2 * GRID))] = True
        cells = rows[:, None] & columns[None]
        labels[cells], boxes[cells], counts[cells] = DENSE_LABELS.index(name), box, number[name]
    return (
        torch.from_numpy(labels.reshape(-1)),
        torch.from_numpy(boxes.reshape(-1, 4)),
        torch.from_numpy(counts.reshape(-1)),
    )


@dataclass(frozen=True)
class Plan:
    """Which examples to draw: from picture number `first` on, `tasks_each` questions about each, those about words
    `reading` times as often as usual. A share `pages` of the pictures is full of words, for the dense head to learn
    many words from one picture."""

    first: int
    tasks_each: int
    reading: float
    pages: float

    def limits(self, picture: int, rng: random.Random) -> Limits:
        if rng.random() < self.pages:
            return PAGE
        most = max(things for start, things in CURRICULUM if picture >= start)
        return Limits(most_things=most, sign_chance=1 - 0.55 / max(1.0, self.reading))


def draw_tasks(scene: Scene, rng: random.Random, plan: Plan) -> list[str]:
    """Different tasks for one picture, sampled by weight."""
    weights = {task: TASK_WEIGHTS[task] for task in possible_tasks(scene)}
    if scene.signs:
        for task in READING_TASKS:
            weights[task] *= plan.reading
    else:
        weights["<OCR>"] = weights["<OCR_WITH_REGION>"] = NOTHING_TO_READ_WEIGHT
    chosen: list[str] = []
    for _ in range(plan.tasks_each):
        task = rng.choices(list(weights), list(weights.values()))[0]
        chosen.append(task)
        del weights[task]
    return chosen


@dataclass(frozen=True)
class Share:
    """What part of each batch a training process gets: every `of`-th example, from number `rank` on."""

    rank: int = 0
    of: int = 1


class SceneStream(IterableDataset):
    """Endless examples; picture i is the same in every run. Each worker draws whole batches, so that the batches do
    not depend on the number of workers."""

    def __init__(
        self, folder: Path, tokenizer: Tokenizer, plan: Plan, batch_size: int, share: Share
    ) -> None:
        self._folder, self._tokenizer, self._plan = folder, tokenizer, plan
        self._batch_size, self._share = batch_size, share

    def __iter__(self) -> Iterator[Example]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        studio = Studio(self._folder, TRAINING)
        while True:
            first = self._plan.first + number * self._batch_size
            batch = range(first, first + self._batch_size)
            for index in batch[self._share.rank :: self._share.of]:
                yield self._example(studio, index)
            number += workers

    def _example(self, studio: Studio, index: int) -> Example:
        rng = random.Random(f"training {index}")
        scene = studio.scene(rng, self._plan.limits(index, rng))
        questions = []
        for task in draw_tasks(scene, rng, self._plan):
            prompt, answer = ask(task, scene, rng)
            ids = self._tokenizer.encode(prompt).ids, self._tokenizer.encode(answer).ids
            questions.append((*ids, task == "<CAPTION>"))
        picture = torch.from_numpy(np.array(squash(scene.picture))).permute(2, 0, 1).contiguous()
        return Example(picture, questions, *dense_targets(scene))


def padded(rows: list[list[int]]) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])


def collate(examples: list[Example]) -> Batch:
    """One batch; its questions are sorted by length and cut in three parts at most, so that little is padding."""
    flat = [(i, *question) for i, example in enumerate(examples) for question in example.questions]
    flat.sort(key=lambda item: len(item[2]))
    third = -(-len(flat) // 3)
    questions = []
    for first in range(0, len(flat), third):
        part = flat[first : first + third]
        owner, prompts, answers, captions = zip(*part, strict=True)
        questions.append(
            Questions(
                torch.tensor(owner),
                padded(list(prompts)),
                padded(list(answers)),
                torch.tensor(captions).nonzero()[:, 0],
            )
        )
    return Batch(
        torch.stack([e.picture for e in examples]),
        torch.stack([e.labels for e in examples]),
        torch.stack([e.boxes for e in examples]),
        torch.stack([e.counts for e in examples]),
        questions,
    )


def ignore_termination(worker: int) -> None:
    """Who stops training tells all its processes to end, but training ends its workers itself, after the step."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def batches(
    folder: Path,
    tokenizer: Tokenizer,
    plan: Plan,
    batch_size: int,
    workers: int,
    share: Share = Share(),
) -> Iterator[Batch]:
    """A share of batches drawn by background workers: the same ones, in the same order, for any number of workers."""
    stream = SceneStream(folder, tokenizer, plan, batch_size, share)
    size = batch_size // share.of
    return iter(
        DataLoader(
            stream,
            size,
            collate_fn=collate,
            num_workers=workers,
            prefetch_factor=6,
            worker_init_fn=ignore_termination,
        )
    )
