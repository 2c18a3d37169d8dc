#!/usr/bin/env python3
"""Makes tests/data/tasks/: what transformers' own Florence-2 processor makes of answers, prompts, regions.

    python tests/golden/make_tasks.py STOP_PHRASES.json

STOP_PHRASES.json is the list `banned_grounding_tokens` of the released models (processor_config.json); a
copy is kept as tests/data/tasks/grounding_stop_phrases.json, so that one serves to make the rest again.
Needs transformers 5.24 and torch; no model and no network. The same run gives the same bytes.

answers.jsonl.gz: a line for each answer, {"size", "text", "results": {task: result}}, for one task of each
kind of parser. About a third of the answers are sound, a third are sound ones damaged, a third are random
sequences of pieces. The processor truncates coordinates to int; here they are its floats, before that.
prompts.json: [text, the prompt made of it]. regions.json: [[width, height], [x1, y1, x2, y2], the four bins].
"""

import gzip
import json
import pathlib
import random
import sys
from types import SimpleNamespace
from unittest import mock

import numpy
import torch
from transformers.models.florence2 import processing_florence2 as florence2

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "tasks"
TASKS = [
    "<CAPTION>",
    "<OD>",
    "<REGION_PROPOSAL>",
    "<CAPTION_TO_PHRASE_GROUNDING>",
    "<OCR_WITH_REGION>",
    "<REFERRING_EXPRESSION_SEGMENTATION>",
    "<OPEN_VOCABULARY_DETECTION>",
]
KINDS = [
    "ocr",
    "phrase_grounding",
    "pure_text",
    "description_with_bboxes",
    "description_with_polygons",
    "polygons",
    "bboxes",
    "description_with_bboxes_or_polygons",
]
SIZES = [
    (640, 480),
    (333, 517),
    (1000, 1000),
    (1, 1),
    (768, 1024),
    (1920, 1080),
    (4000, 3),
    (57, 8191),
]

WORDS = [
    "cat",
    "a red car",
    "person",
    "the image",
    "it",
    "I",
    "It",
    "a group of people",
    "t-shirt",
    "café",
    "naïve dog",
    "日本語",
    "日本 dog",
    "Ünïcödé",
    "emoji 🐈",
    "🚗",
    "e\u0301",
    "مرحبا",
    "x > y",
    "a & b",
    '"quoted"',
    "back\\slash",
    "1,000",
    "loc_5",
    "</",
    "0",
    "U.S.",
    "&lt;loc_1&gt;",
]
SPACES = [
    "",
    " ",
    "  ",
    "\t",
    "\u00a0",
    "\u3000",
    "\u2003",
    "\u0085",
    "\u001c",
    "\u200b",
    "\r",
    "\v",
    "\f",
]
ODD = [
    "<",
    ">",
    "<<",
    "<loc_",
    "<loc_>",
    "<loc_12",
    "loc_5>",
    "<loc_-3>",
    "<loc_1.5>",
    "<loc_ 5>",
    "<LOC_5>",
    "<loc_123456>",
    "<loc_0007>",
    "<loc_1000>",
    "<loc_1a>",
    "<od>",
    "</od>",
    "<ground>",
    "<obj>",
    "<box>",
    "</box>",
    "<bbox>",
    "<and>",
    "<s>",
    "</s>",
    "<pad>",
    "<unk>",
    "<<s>s>",
    "<</s>/s>",
    "<loc_<s>7>",
    "<lo<pad>c_8>",
    "<po<s>ly>",
    "<poly",
    "poly>",
    "</poly >",
    "<sep",
    "<SEP>",
    "<seg>",
    "<image>",
    "\n",
    "\r\n",
    "\n\n",
    "\u2028",
    " \n ",
    "\x00",
    "\x7f",
    "<s></s>",
    "<<pad>pad>",
]


class Answers:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def locs(self, n):
        return "".join(f"<loc_{self.rng.randrange(1000)}>" for _ in range(n))

    def words(self):
        return (
            self.rng.choice(SPACES[:3])
            + self.rng.choice(WORDS)
            + self.rng.choice(SPACES[:3] + [""] * 4)
        )

    def boxes(self):
        return "".join(
            self.words() + self.locs(4 * self.rng.choice([1, 1, 1, 2, 3]))
            for _ in range(self.rng.randrange(5))
        )

    def proposals(self):
        return self.locs(4 * self.rng.randrange(5))

    def quads(self):
        return "".join(self.words() + self.locs(8) for _ in range(self.rng.randrange(4)))

    def polygons(self, labelled):
        text = ""
        for _ in range(self.rng.randrange(1, 3)):
            text += self.words() if labelled else ""
            for _ in range(self.rng.choice([1, 1, 2])):
                rings = [
                    self.locs(2 * self.rng.randrange(2, 6))
                    for _ in range(self.rng.choice([1, 1, 2]))
                ]
                wrapped = labelled or self.rng.random() < 0.3
                text += (
                    ("<poly>" if wrapped else "")
                    + "<sep>".join(rings)
                    + ("</poly>" if wrapped else "")
                )
        return text

    def sound(self):
        text = self.rng.choice(
            [
                self.boxes,
                self.boxes,
                self.proposals,
                self.quads,
                lambda: self.polygons(True),
                lambda: self.polygons(False),
                self.words,
            ]
        )()
        return (
            self.rng.choice(["", "<s>", "</s><s>"])
            + text
            + self.rng.choice(["", "</s>", "</s><pad><pad>"])
        )

    def piece(self):
        return self.rng.choice(
            [
                self.words,
                lambda: self.locs(1),
                lambda: self.locs(self.rng.randrange(1, 10)),
                lambda: self.rng.choice(SPACES),
                lambda: self.rng.choice(ODD),
                lambda: self.rng.choice(ODD),
                lambda: "<sep>",
                lambda: "<poly>",
                lambda: "</poly>",
            ]
        )()

    def damaged(self):
        text = self.sound()
        for _ in range(self.rng.randrange(1, 4)):
            at = self.rng.randrange(len(text) + 1)
            if self.rng.random() < 0.7:  # at the edge of a token
                at = max(text.find("<", at), 0)
            until = min(len(text), at + self.rng.choice([1, 2, 7, 14]))
            text = self.rng.choice(
                [
                    lambda: text[:at] + text[until:],
                    lambda: text[:at] + self.piece() + text[at:],
                    lambda: text[:at] + self.piece() + text[until:],
                    lambda: text[:at] + text[at:until] * 2 + text[until:],
                    lambda: text[:at],
                ]
            )()
        return text

    def soup(self):
        return "".join(self.piece() for _ in range(self.rng.randrange(12)))

    def marks_only(self):
        return "".join(
            self.rng.choice([self.locs(1), self.locs(2), "<sep>", "<poly>", "</poly>", "a"])
            for _ in range(self.rng.randrange(14))
        )


def make_processor(stop_phrases):
    config = {kind: {} for kind in KINDS}
    config["phrase_grounding"] = {"banned_grounding_tokens": stop_phrases}
    tokenizer = SimpleNamespace(image_token="<image>", image_token_id=0, all_special_tokens=[])
    # The base class wants a real tokenizer and image processor; nothing used here asks them anything.
    with mock.patch.object(
        florence2.ProcessorMixin, "__init__", lambda self, *args, **kwargs: None
    ):
        return florence2.Florence2Processor(
            image_processor=SimpleNamespace(image_seq_length=577),
            tokenizer=tokenizer,
            post_processor_config=config,
        )


def numbers_as(convert, value):
    if isinstance(value, dict):
        return {key: numbers_as(convert, item) for key, item in value.items()}
    if isinstance(value, list):
        return [numbers_as(convert, item) for item in value]
    return convert(value) if isinstance(value, float) else value


def parse(processor, text, task, size):
    """The processor's result with float coordinates, checked against the one it really gives."""
    truncated = processor.post_process_generation(text=text, task=task, image_size=size)[task]
    with mock.patch.object(torch.Tensor, "int", lambda self: self):
        result = processor.post_process_generation(text=text, task=task, image_size=size)[task]
    assert numbers_as(int, result) == truncated, (text, result, truncated)
    return numbers_as(lambda number: float(str(numpy.float32(number))), result)


def write_answers(processor, stop_phrases):
    answers = Answers(seed=3)
    texts = [
        "",
        "<s></s>",
        "a<loc_1><loc_2><loc_3><loc_4><loc_5>",
        "<loc_1><loc_2><loc_3><loc_4><loc_5>",
    ]
    texts += [word + "<loc_1><loc_2><loc_3><loc_4>" for word in WORDS]
    texts += [
        space + "dog" + other + "<loc_1><loc_2><loc_3><loc_4><loc_5><loc_6><loc_7><loc_8>"
        for space in SPACES
        for other in SPACES
    ]
    for make, count in [
        (answers.sound, 800),
        (answers.damaged, 800),
        (answers.soup, 500),
        (answers.marks_only, 300),
    ]:
        texts += [make() for _ in range(count)]
    lines = []
    for phrase in stop_phrases:
        text = f"{phrase}<loc_1><loc_2><loc_3><loc_4>{phrase} x<loc_5><loc_6><loc_7><loc_8>"
        task = "<CAPTION_TO_PHRASE_GROUNDING>"
        lines.append(
            {
                "size": [640, 480],
                "text": text,
                "results": {task: parse(processor, text, task, (640, 480))},
            }
        )
    for i, text in enumerate(texts):
        size = SIZES[i % len(SIZES)]
        lines.append(
            {
                "size": size,
                "text": text,
                "results": {task: parse(processor, text, task, size) for task in TASKS},
            }
        )
    content = "".join(
        json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines
    )
    with open(OUT / "answers.jsonl.gz", "wb") as file:
        file.write(gzip.compress(content.encode(), compresslevel=9, mtime=0))
    return len(lines)


def write_prompts(processor):
    texts = list(processor.task_prompts_without_inputs)
    for token in processor.task_prompts_with_input:
        region = token.startswith("<REGION")
        inputs = (
            ["<loc_1><loc_20><loc_300><loc_999>"]
            if region
            else ["a cat", "日本 {x} {input}", "car <and> bus"]
        )
        for text in inputs:
            texts += [token + text, text + token, f" {token}\u3000{text}\t", token + text + token]
    texts += ["<DocVQA>What is the total?", " raw text ", "<GENERATE_TAGS>", "<od>", "<VQA>{input}"]
    prompts = [[text, processor._construct_prompts(text)[0]] for text in texts]
    (OUT / "prompts.json").write_text(json.dumps(prompts, ensure_ascii=False, indent=0) + "\n")


def write_regions(processor):
    rng = random.Random(4)
    regions = []
    for _ in range(600):
        width, height = rng.choice(
            SIZES[:3] + SIZES[4:] + [(rng.randrange(1, 5000), rng.randrange(1, 5000))]
        )
        x = sorted(rng.randint(-9, width + 9) for _ in range(2))
        y = sorted(rng.randint(-9, height + 9) for _ in range(2))
        box = [x[0], y[0], x[1], y[1]]
        bins = processor.post_processor.quantize(
            torch.tensor([box], dtype=torch.float32), (width, height)
        )
        regions.append([[width, height], box, bins[0].tolist()])
    lines = ",\n".join(json.dumps(region) for region in regions)
    (OUT / "regions.json").write_text(f"[{lines}]\n")


def main():
    stop_phrases = json.loads(pathlib.Path(sys.argv[1]).read_text())
    processor = make_processor(stop_phrases)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "grounding_stop_phrases.json").write_text(json.dumps(stop_phrases) + "\n")
    print(write_answers(processor, stop_phrases), "answers")
    write_prompts(processor)
    write_regions(processor)


if __name__ == "__main__":
    main()
