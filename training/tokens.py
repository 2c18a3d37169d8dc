"""The model's own tokenizer: byte-level BPE, then Florence-2's 1024 task and location tokens in their order."""

import random
import re
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from answers import ask, possible_tasks
from scenes import TRAINING, Limits, Studio
from things import CLASS_NAMES, COLORS, WORDS

BOS, PAD, EOS, UNK = 0, 1, 2, 3
BASE_TOKENS = ["<s>", "<pad>", "</s>", "<unk>"]
BPE_SIZE = 1200
FLORENCE_TOKENS = [
    *("<od>", "</od>", "<ocr>", "</ocr>"),
    *(f"<loc_{i}>" for i in range(1000)),
    *(
        "<cap>",
        "</cap>",
        "<ncap>",
        "</ncap>",
        "<dcap>",
        "</dcap>",
        "<grounding>",
        "</grounding>",
        "<seg>",
        "</seg>",
    ),
    *(
        "<sep>",
        "<region_cap>",
        "</region_cap>",
        "<region_to_desciption>",
        "</region_to_desciption>",
    ),
    *("<proposal>", "</proposal>", "<poly>", "</poly>", "<and>"),
]
IMAGE_TOKEN = "<image>"


def corpus(studio: Studio, scenes: int) -> Iterator[str]:
    """Prompts and answers of random scenes, without their locations, and every name a few times over."""
    rng = random.Random(1)
    for _ in range(scenes):
        scene = studio.scene(rng, Limits())
        for task in possible_tasks(scene):
            for text in ask(task, scene, rng):
                yield from filter(None, re.split("<[^>]+>", text))
    for word in (*CLASS_NAMES, *COLORS, *WORDS, *(w.capitalize() for w in WORDS)):
        for _ in range(40):
            yield word
            yield " " + word


def train_tokenizer(studio: Studio, scenes: int = 400) -> Tokenizer:
    """Learn the BPE from what the scenes say; add Florence-2's tokens and <image> after it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=BPE_SIZE,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=BASE_TOKENS,
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(studio, scenes), trainer)
    added = [AddedToken(t, special=True, normalized=False) for t in (*FLORENCE_TOKENS, IMAGE_TOKEN)]
    tokenizer.add_special_tokens(added)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", EOS), ("<s>", BOS), trim_offsets=True, add_prefix_space=False
    )
    return tokenizer


def load_or_train(path: Path, data: Path) -> Tokenizer:
    """The tokenizer of this file, which is made from the drawings in `data` if there is none."""
    if not path.exists():
        train_tokenizer(Studio(data, TRAINING)).save(str(path))
    return Tokenizer.from_file(str(path))
