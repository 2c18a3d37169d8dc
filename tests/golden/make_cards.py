#!/usr/bin/env python3
"""Makes tests/data/python/cards.json: what the scripts in tests/python/package/cards print when they
run in transformers, on the bundled model.

    python tests/golden/make_cards.py

Needs torch and transformers. The file names the weights that it was made with; after a change of
models/uffizi-tiny it must be made again. What a script prints of a random draw is null.
"""

import hashlib
import json
import math
import os
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "python" / "package"))
HUB = tempfile.TemporaryDirectory()
os.environ["HF_HUB_CACHE"] = HUB.name
os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402
from card_runner import CARDS, make_hub, run_card  # noqa: E402
from make_python import complete_processor  # noqa: E402

MODEL = ROOT / "models" / "uffizi-tiny"
OUT = ROOT / "tests" / "data" / "python" / "cards.json"


class Processor:
    """transformers' processor with what Microsoft's has besides: scores of boxes."""

    def __init__(self, processor):
        self.processor = processor

    @classmethod
    def from_pretrained(cls, name, **arguments):
        loaded = transformers.AutoProcessor.from_pretrained(name, **arguments)
        return cls(complete_processor(loaded))

    def __call__(self, **arguments):
        return self.processor(**arguments)

    def batch_decode(self, *arguments, **named):
        return self.processor.batch_decode(*arguments, **named)

    def post_process_generation(self, text=None, *, transition_beam_score=None, **arguments):
        answer = self.processor.post_process_generation(text=text, **arguments)
        if transition_beam_score is not None:
            tokens = [self.processor.tokenizer.decode(i) for i in arguments["sequence"][1:]]
            scores = transition_beam_score.tolist()
            located = [s for s, t in zip(scores, tokens) if re.fullmatch(r"<loc_\d+>", t)]
            (found,) = answer.values()
            assert len(located) == 4 * len(found["bboxes"])
            found["scores"] = [
                math.exp(sum(located[i : i + 4]) / 4) for i in range(0, len(located), 4)
            ]
        return answer


class Model:
    """transformers' model in float32, where scripts leave open in what and the file is in float16."""

    @staticmethod
    def from_pretrained(name, **arguments):
        arguments = {"dtype": torch.float32, **arguments}
        arguments["dtype"] = arguments.pop("torch_dtype", arguments["dtype"])
        return transformers.Florence2ForConditionalGeneration.from_pretrained(name, **arguments)


class Module:
    """The module that the scripts import."""

    AutoProcessor = Processor
    AutoModelForCausalLM = Model
    Florence2ForConditionalGeneration = Model


def main():
    torch.set_num_threads(1)  # the same sums everywhere, and fast beside other work
    make_hub(pathlib.Path(HUB.name), MODEL)
    cards = {}
    for script in sorted(CARDS.glob("*.py")):
        modules = {"torch": torch, "transformers": Module}
        printed = run_card(script.read_text(), ROOT / "samples", modules)
        random = "do_sample=True" in script.read_text()
        cards[script.name] = [None for _ in printed] if random else printed
        print(script.name, len(printed), file=sys.stderr)
    weights = hashlib.sha256((MODEL / "model.safetensors").read_bytes()).hexdigest()
    lines = ",\n".join(
        f'"{name}": {json.dumps(printed, ensure_ascii=False)}' for name, printed in cards.items()
    )
    OUT.write_text(f'{{"weights": "{weights}", "cards": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
