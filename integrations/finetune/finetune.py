#!/usr/bin/env python3
"""Trains a LoRA adapter for Florence-2 on COCO boxes or on JSON lines, with peft.

python finetune.py --model florence-community/Florence-2-base-ft --data train.jsonl --output my-adapter
uffizi annotate photo.jpg --task od --model florence-community/Florence-2-base-ft --lora my-adapter
"""

from __future__ import annotations

import argparse
import math
import pathlib
import random

import torch
from examples import Example, open_picture, read_examples
from peft import LoraConfig, get_peft_model
from transformers import AutoProcessor, Florence2ForConditionalGeneration

TEXT_LAYERS = r".*language_model.*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"
VISION_LAYERS = r".*vision_tower.*\.(qkv|proj|fc1|fc2)"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, help="folder or name, in transformers' layout")
    parser.add_argument("--data", required=True, type=pathlib.Path, help="COCO .json or .jsonl")
    parser.add_argument("--images", type=pathlib.Path, help="folder of the pictures")
    parser.add_argument("--prompt", default="<OD>", help="of COCO data; JSONL has its own")
    parser.add_argument("--output", required=True, type=pathlib.Path, help="a new folder")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=4, help="examples a step")
    parser.add_argument("--rate", type=float, default=1e-4, help="learning rate at its highest")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--alpha", type=int, default=16)
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--vision", action="store_true", help="adapt the vision tower, too")
    parser.add_argument("--held-out", type=float, default=0.1, help="share that is only measured")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


class Batches:
    """Turns examples into batches for the model."""

    def __init__(self, processor, device: str) -> None:
        self.processor = processor
        self.device = device

    def make(self, examples: list[Example]) -> dict[str, torch.Tensor]:
        inputs = self.processor(
            text=[example.prompt for example in examples],
            images=[open_picture(example.image) for example in examples],
            return_tensors="pt",
            padding=True,
        )
        answers = self.processor.tokenizer(
            [example.answer for example in examples], return_tensors="pt", padding=True
        )
        labels = answers.input_ids.masked_fill(answers.attention_mask == 0, -100)
        return {**inputs.to(self.device), "labels": labels.to(self.device)}


def load(arguments: argparse.Namespace):
    """The model with a fresh adapter, and its processor."""
    processor = AutoProcessor.from_pretrained(arguments.model)
    model = Florence2ForConditionalGeneration.from_pretrained(arguments.model, dtype=torch.float32)
    layers = f"{TEXT_LAYERS}|{VISION_LAYERS}" if arguments.vision else TEXT_LAYERS
    config = LoraConfig(
        r=arguments.rank,
        lora_alpha=arguments.alpha,
        lora_dropout=arguments.dropout,
        target_modules=layers,
    )
    model = get_peft_model(model, config).to(arguments.device)
    model.print_trainable_parameters()
    return model, processor


@torch.no_grad()
def measure(model, batches: Batches, examples: list[Example], size: int) -> float:
    """The mean loss."""
    model.eval()
    losses = [
        model(**batches.make(examples[i : i + size])).loss.item()
        for i in range(0, len(examples), size)
    ]
    model.train()
    return sum(losses) / len(losses)


def train(
    model, batches: Batches, examples: list[Example], held_out: list[Example], arguments
) -> None:
    """Trains. The learning rate rises for a tenth of the steps, then falls to 0."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=arguments.rate)
    steps = arguments.epochs * math.ceil(len(examples) / arguments.batch)
    warm = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, (steps - step) / max(1, steps - warm), 1)
    )
    model.train()
    for epoch in range(1, arguments.epochs + 1):
        random.shuffle(examples)
        total = 0.0
        for i in range(0, len(examples), arguments.batch):
            part = examples[i : i + arguments.batch]
            loss = model(**batches.make(part)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += loss.item() * len(part)
        line = f"epoch {epoch}/{arguments.epochs}: loss {total / len(examples):.4f}"
        if held_out:
            line += f", held out {measure(model, batches, held_out, arguments.batch):.4f}"
        print(line, flush=True)


def main() -> None:
    arguments = parse_arguments()
    if arguments.output.exists():
        raise SystemExit(f"{arguments.output}: is there already; name a new folder")
    random.seed(arguments.seed)
    torch.manual_seed(arguments.seed)
    examples = read_examples(arguments.data, arguments.images, arguments.prompt)
    random.shuffle(examples)
    count = int(len(examples) * arguments.held_out)
    held_out, examples = examples[:count], examples[count:]
    print(f"{len(examples)} examples, {len(held_out)} held out")
    model, processor = load(arguments)
    train(model, Batches(processor, arguments.device), examples, held_out, arguments)
    model.save_pretrained(arguments.output)
    print(f"uffizi annotate PICTURE --task od --model {arguments.model} --lora {arguments.output}")


if __name__ == "__main__":
    main()
