"""Who answers the questions of the evaluation: the `uffizi` command, or PyTorch as a cross-check.

Both give, for each picture, the result of each task in the shape of the Hugging Face processor.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from transformers import AutoProcessor, Florence2ForConditionalGeneration

Asked = list[tuple[str, str]]  # tasks such as "<OD>", and the text of each ("" where it takes none)
Results = dict[str, Any]


class Backend(Protocol):
    def answer(self, pictures: list[Path], asked: list[Asked]) -> Iterator[Results]:
        """For each picture, the results of its tasks."""


class UffiziBackend:
    """One run of the command a picture: it encodes the picture once and answers all its tasks."""

    def __init__(self, binary: Path, model: Path, compute: str, jobs: int) -> None:
        self._binary, self._model, self._compute, self._jobs = binary, model, compute, jobs

    def answer(self, pictures: list[Path], asked: list[Asked]) -> Iterator[Results]:
        with ThreadPoolExecutor(self._jobs) as pool:
            yield from pool.map(self._answer_one, pictures, asked)

    def _answer_one(self, picture: Path, asked: Asked) -> Results:
        with tempfile.NamedTemporaryFile(suffix=".jsonl") as output:
            command = [str(self._binary), "annotate", str(picture), "--model", str(self._model), "--quiet"]
            command += ["--format", "jsonl", "--output", output.name, "--compute", self._compute, "--threads", "1"]
            for task, text in asked:
                command += ["--task", task] + (["--text", text] if text else [])
            subprocess.run(command, check=True)
            rows = [json.loads(line) for line in Path(output.name).read_text().splitlines()]
        return {task: row["result"] for (task, _), row in zip(asked, rows, strict=True)}


class TorchBackend:
    """transformers in float32, with its own processor; boxes have no scores."""

    def __init__(self, model: Path) -> None:
        torch.set_num_threads(1)
        self._model = Florence2ForConditionalGeneration.from_pretrained(
            model, dtype=torch.float32, attn_implementation="eager"
        )
        self._processor = AutoProcessor.from_pretrained(model)

    @torch.no_grad()
    def answer(self, pictures: list[Path], asked: list[Asked]) -> Iterator[Results]:
        for path, questions in zip(pictures, asked, strict=True):
            picture = Image.open(path).convert("RGB")
            results: Results = {}
            for task, text in questions:
                inputs = self._processor(images=picture, text=task + text, return_tensors="pt")
                ids = self._model.generate(**inputs)
                answer = self._processor.batch_decode(ids, skip_special_tokens=False)[0].removeprefix("</s>")
                results[task] = self._processor.post_process_generation(
                    answer, task=task, image_size=picture.size
                )[task]
            yield results
