"""docs/finetuning.md: finetune.py trains the small model; --lora gives what transformers and peft give."""

import json
import os
import pathlib
import subprocess
import sys

import PIL.Image
import pytest
import torch
from peft import PeftModel
from transformers import AutoProcessor, Florence2ForConditionalGeneration

import uffizi

SOURCE = pathlib.Path(os.environ["UFFIZI_SOURCE"])
MODEL = SOURCE / "models" / "uffizi-tiny"
SCRIPT = SOURCE / "integrations" / "finetune" / "finetune.py"


def train(folder, *arguments):
    command = [sys.executable, SCRIPT, "--model", MODEL, "--device", "cpu", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, pictures, model):
    """COCO data in which one house is called a castle, and an adapter that has learned it."""
    folder = tmp_path_factory.mktemp("finetune")
    (folder / "village.jpg").write_bytes((pictures / "village.jpg").read_bytes())
    result = model(folder / "village.jpg", "<OD>")
    house = next(region for region in result.regions if region.label == "house")
    x1, y1, x2, y2 = house.bounds
    coco = {
        "images": [
            {"id": 0, "file_name": "village.jpg", "width": result.width, "height": result.height}
        ],
        "annotations": [{"image_id": 0, "category_id": 7, "bbox": [x1, y1, x2 - x1, y2 - y1]}],
        "categories": [{"id": 7, "name": "castle"}],
    }
    (folder / "coco.json").write_text(json.dumps(coco))
    done = train(
        folder, "--data", "coco.json", "--output", "adapter", "--epochs", "30", "--batch", "1",
        "--rate", "5e-3", "--held-out", "0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    losses = [float(line.split("loss ")[1]) for line in done.stdout.splitlines() if "epoch" in line]
    assert len(losses) == 30 and losses[-1] < 0.5 * losses[0]
    return folder


def annotate(folder, *arguments):
    command = [os.environ["UFFIZI_COMMAND"], "annotate", "village.jpg", "--model", MODEL]
    command += ["--format", "jsonl", "--compute", "f32", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_ids_are_those_of_transformers(trained):
    prompts = ["<OD>", "<CAPTION>", "<CAPTION_TO_PHRASE_GROUNDING>a castle", "<REGION_PROPOSAL>"]
    options = [word for prompt in prompts for word in ("--prompt", prompt)]
    ours = annotate(trained, *options, "--lora", "adapter", "--beams", "3")
    plain = annotate(trained, *options, "--beams", "3")
    torch.set_num_threads(2)
    processor = AutoProcessor.from_pretrained(MODEL)
    base = Florence2ForConditionalGeneration.from_pretrained(MODEL, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, trained / "adapter").eval()
    image = PIL.Image.open(trained / "village.jpg").convert("RGB")
    for prompt, record in zip(prompts, ours):
        inputs = processor(text=prompt, images=image, return_tensors="pt")
        with torch.no_grad():
            ids = model.generate(**inputs, num_beams=3, max_new_tokens=200)[0].tolist()
        assert record["token_ids"] == ids[1:], prompt  # without the decoder's start token
    assert ours[0]["token_ids"] != plain[0]["token_ids"]
    assert "castle" in ours[0]["result"]["labels"] and "castle" not in plain[0]["result"]["labels"]
    adapted = uffizi.Florence2(MODEL, compute="f32", lora=[trained / "adapter"])
    assert adapted(trained / "village.jpg", "<OD>", num_beams=3).token_ids == ours[0]["token_ids"]


def test_json_lines_and_a_prompt_of_ones_own(trained, pictures):
    answer = "castle<loc_52><loc_332><loc_932><loc_774>"
    line = {"image": "village.jpg", "prefix": "<MY_OD>", "suffix": answer}
    (trained / "data.jsonl").write_text((json.dumps(line) + "\n") * 4)
    done = train(
        trained, "--data", "data.jsonl", "--output", "own", "--epochs", "15", "--batch", "2",
        "--rate", "5e-3", "--held-out", "0.25", "--vision",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "3 examples, 1 held out" in done.stdout and "held out" in done.stdout.splitlines()[-2]
    (record,) = annotate(trained, "--prompt", "<MY_OD>", "--as", "od", "--lora", "own")
    assert record["result"]["labels"][0] == "castle"
    config = json.loads((trained / "own" / "adapter_config.json").read_text())
    assert "vision_tower" in config["target_modules"]


def test_refusals(trained):
    (trained / "missing.jsonl").write_text('{"image": "no.jpg", "prefix": "<OD>", "suffix": ""}')
    (trained / "broken.jsonl").write_text('{"image": "village.jpg"}')
    coco = json.loads((trained / "coco.json").read_text())
    coco["images"][0]["width"] += 1
    (trained / "wrong.json").write_text(json.dumps(coco))
    for data, output, reason in (
        ("coco.json", "adapter", "adapter: is there already"),
        ("missing.jsonl", "x", "no.jpg: no such picture"),
        ("broken.jsonl", "x", "broken.jsonl:1: image, prefix and suffix are needed"),
        ("wrong.json", "x", "village.jpg: is 584 x 438 pixels"),
        ("nothing.json", "x", "nothing.json"),
    ):
        done = train(trained, "--data", data, "--output", output)
        assert done.returncode == 1 and reason in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    assert not (trained / "x").exists()
