"""Train the small Florence-2 on drawn scenes. Can be stopped at any time (SIGTERM saves first) and started again.

The learning rate rises, stays, and falls to zero over the last --cooldown steps before --steps; both may be changed
when training goes on, so that a run can be extended. With --from, a run starts from an exported model, with as many
things in its pictures as there ever are.

Started by torchrun, N processes share each batch and average their gradients. Without an accelerator, N processes of
one thread keep N cores busier than one process of N threads.
"""

import argparse
import math
import os
import shutil
import signal
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, distributed, nn

from data import CURRICULUM, Batch, Plan, Share, batches
from model import (
    CountHead,
    DenseHead,
    answer_states,
    exported_model,
    fresh_model,
    image_features,
    text_losses,
)
from muon import Muon
from rounding import int4_matrices, linear_matrices, rounded
from tokens import PAD, load_or_train

DENSE_WEIGHT, BOX_WEIGHT, COUNT_WEIGHT = 2.0, 5.0, 1.0
CAPTION_WEIGHT = 3.0  # of a caption's tokens; those of other answers weigh 1
WARMUP = 200


@dataclass
class Meter:
    """Running means of what the log tells."""

    values: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, value: Tensor | float) -> None:
        value = float(value)
        self.values[name] = 0.95 * self.values.get(name, value) + 0.05 * value

    def __str__(self) -> str:
        return " ".join(f"{name} {value:.4g}" for name, value in self.values.items())


class Processes:
    """Those that train together: one, or as many as torchrun started."""

    def __init__(self) -> None:
        if distributed.is_torchelastic_launched():
            distributed.init_process_group("gloo")
            self.share = Share(distributed.get_rank(), distributed.get_world_size())
        else:
            self.share = Share()

    @property
    def is_first(self) -> bool:
        return self.share.rank == 0

    def wait(self) -> None:
        """Until all are here."""
        if self.share.of > 1:
            distributed.barrier()

    @torch.no_grad()
    def average_gradients(self, parameters: list[nn.Parameter]) -> None:
        if self.share.of == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients]).cpu()
        distributed.all_reduce(flat)
        flat /= self.share.of
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def any_stops(self, stopping: bool) -> bool:
        """Whether one of the processes was told to stop: then all do, after the same step."""
        if self.share.of == 1:
            return stopping
        told = torch.tensor(float(stopping))
        distributed.all_reduce(told)
        return bool(told)


class Trainer:
    """The model, the heads of training, their optimizers and the average of the weights over time."""

    def __init__(self, options: argparse.Namespace, processes: Processes) -> None:
        self.options, self.processes = options, processes
        options.run.mkdir(parents=True, exist_ok=True)
        if not processes.is_first:
            processes.wait()
        if options.start and not self.tokenizer_file.exists():
            shutil.copy(options.start / "tokenizer.json", self.tokenizer_file)
        self.tokenizer = load_or_train(self.tokenizer_file, options.data)
        if processes.is_first:
            processes.wait()
        self.first_location = self.tokenizer.token_to_id("<loc_0>")
        torch.manual_seed(0)
        self.device = torch.device(options.device)
        self.precision = fast_precision(self.device)
        model = exported_model(options.start) if options.start else fresh_model(self.tokenizer)
        # At these sizes, the fused kernel takes twice as long on CPUs.
        model.set_attn_implementation("eager" if self.device.type == "cpu" else "sdpa")
        self.model = model.to(self.device)
        self.heads = nn.ModuleDict({"dense": DenseHead(), "count": CountHead()}).to(self.device)
        self.int4_matrices = list(int4_matrices(self.model).values())
        matrices = list(linear_matrices(self.model).values())
        turned = set(matrices)
        others = [p for p in self.model.parameters() if p not in turned]
        self.optimizers = [
            Muon(matrices, self.precision),
            torch.optim.AdamW(
                [*others, *self.heads.parameters()], betas=(0.9, 0.98), weight_decay=0.01
            ),
        ]
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.step = 0
        self.meter = Meter()
        if self.checkpoint.exists():
            self.load()
        self.began = time.monotonic()
        self.last_step = self.pace = math.nan

    @property
    def tokenizer_file(self) -> Path:
        return self.options.run / "tokenizer.json"

    @property
    def checkpoint(self) -> Path:
        return self.options.run / "checkpoint.pt"

    @property
    def pictures_seen(self) -> int:
        return self.step * self.options.batch + (CURRICULUM[-1][0] if self.options.start else 0)

    def load(self) -> None:
        state = torch.load(self.checkpoint, map_location=self.device)
        self.model.load_state_dict(state["model"])
        self.heads.load_state_dict(state["heads"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.average, self.step = state["average"], state["step"]

    def save(self) -> None:
        """Write the checkpoint beside the old one, then swap them."""
        state = {
            "model": self.model.state_dict(),
            "heads": self.heads.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "average": self.average,
            "step": self.step,
        }
        beside = self.checkpoint.with_suffix(".new")
        torch.save(state, beside)
        os.replace(beside, self.checkpoint)

    def measure_pace(self) -> None:
        """Update the running mean of a step's seconds, from the second step on: the first waits for the drawings."""
        now = time.monotonic()
        took, self.last_step = now - self.last_step, now
        self.pace = took if math.isnan(self.pace) else 0.98 * self.pace + 0.02 * took

    @property
    def steps_left(self) -> float:
        """Until the end of training; at the present pace, where minutes say when that is."""
        if self.options.minutes is None:
            return self.options.steps - self.step
        if math.isnan(self.pace):
            return math.inf
        return (self.began + 60 * self.options.minutes - time.monotonic()) / self.pace

    def learning_rate(self) -> float:
        """The rate of this step: up, level, and down to zero at the end."""
        left = max(0.0, self.steps_left / max(1, self.options.cooldown))
        return self.options.rate * min(1.0, (self.step + 1) / WARMUP, left)

    def train_step(self, batch: Batch) -> None:
        self.step += 1
        rate = self.learning_rate()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        with rounded(self.int4_matrices) if self.options.rounded else nullcontext():
            self.losses(batch.to(self.device)).backward()
        parameters = [*self.model.parameters(), *self.heads.parameters()]
        self.processes.average_gradients(parameters)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.update_average()

    def losses(self, batch: Batch) -> Tensor:
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16
        ):
            features = image_features(self.model, batch.pictures)
            states, targets, weights, encoded, counts = [], [], [], [], []
            for part in batch.questions:
                hidden, image = answer_states(
                    self.model, features[part.owner], part.prompts, part.answers
                )
                real = part.answers != PAD
                states.append(hidden[real])
                targets.append(part.answers[real])
                weight = torch.ones_like(part.answers, dtype=torch.float32)
                weight[part.captions] = CAPTION_WEIGHT
                weights.append(weight[real])
                encoded.append(image[part.captions])
                counts.append(batch.counts[part.owner[part.captions]])
            logits = self.model.lm_head(torch.cat(states))
            seen, read = features, torch.cat(encoded)
            if self.options.start and self.step < WARMUP:
                # The heads of an exported model are gone: new ones must first learn to read the states it has.
                seen, read = seen.detach(), read.detach()
            label_loss, box_loss, right = self.heads["dense"].loss(seen, batch.labels, batch.boxes)
            count_loss, counted = self.heads["count"].loss(read, torch.cat(counts))
        target, weight = torch.cat(targets), torch.cat(weights)
        losses = text_losses(logits, target, self.first_location, self.options.spread)
        text_loss = (losses * weight).sum() / weight.sum()
        self.note(
            logits.detach(),
            target,
            dict(
                text=text_loss,
                label=label_loss,
                box=box_loss,
                right=right,
                count=count_loss,
                counted=counted,
            ),
        )
        dense_loss = DENSE_WEIGHT * (label_loss + BOX_WEIGHT * box_loss)
        return text_loss + dense_loss + COUNT_WEIGHT * count_loss

    def note(self, logits: Tensor, target: Tensor, losses: dict[str, Tensor]) -> None:
        """Every tenth step, remember how near the answers are."""
        if self.step % 10:
            return
        guess = logits.argmax(-1)
        located = (target >= self.first_location) & (target < self.first_location + 1000)
        off = (guess - target).abs()[located]
        for name, value in losses.items():
            self.meter.add(name, value.detach())
        self.meter.add("words_right", (guess == target)[~located].float().mean())
        self.meter.add("places_off", off.median())
        self.meter.add("places_within_20", (off < 20).float().mean())

    @torch.no_grad()
    def update_average(self) -> None:
        keep = min(1 - 1 / self.options.averaged, (1 + self.step) / (10 + self.step))
        current = self.model.state_dict()
        floating = [name for name, value in self.average.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [self.average[n] for n in floating], [current[n] for n in floating], 1 - keep
        )


def fast_precision(device: torch.device) -> torch.dtype:
    """What products are computed in: bfloat16, but not on processors that would emulate it, six times as slow."""
    emulated = device.type == "cpu" and not torch.cpu.get_capabilities().get("avx512_bf16")
    return torch.float32 if emulated else torch.bfloat16


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, default=Path("build/training"), help="drawings and fonts"
    )
    parser.add_argument(
        "--run", type=Path, default=Path("build/training/run"), help="tokenizer and checkpoint"
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="MODEL_FOLDER",
        help="start from an exported model",
    )
    parser.add_argument("--steps", type=int, default=9000)
    parser.add_argument(
        "--minutes", type=float, help="train so long, however many --steps that makes"
    )
    parser.add_argument("--cooldown", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tasks", type=int, default=2, help="questions a picture")
    parser.add_argument(
        "--reading", type=float, default=1.0, help="how much more to ask about words than usual"
    )
    parser.add_argument(
        "--pages", type=float, default=0.0, help="share of pictures that are full of words"
    )
    parser.add_argument(
        "--rounded", action="store_true", help="learn with the weights rounded as INT4 rounds them"
    )
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument(
        "--averaged", type=int, default=500, help="steps whose weights are averaged, about"
    )
    parser.add_argument("--spread", type=float, default=6.0, help="of a location's target, in bins")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, ... as PyTorch names them")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        help="processes that draw; any number draws the same scenes",
    )
    parser.add_argument("--threads", type=int, default=1, help="of the processor, for training")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    torch.set_num_threads(options.threads)
    processes = Processes()
    if options.minutes is not None and processes.share.of > 1:
        sys.exit("--minutes is for one process: several would not agree on the time")
    if options.batch % processes.share.of:
        sys.exit(f"{processes.share.of} processes cannot share a batch of {options.batch} evenly")
    trainer = Trainer(options, processes)
    if processes.is_first:
        print(
            f"{sum(p.numel() for p in trainer.model.parameters()) / 1e6:.2f} M parameters, step {trainer.step}",
            flush=True,
        )
    plan = Plan(trainer.pictures_seen, options.tasks, options.reading, options.pages)
    stream = batches(
        options.data, trainer.tokenizer, plan, options.batch, options.workers, processes.share
    )
    saved = time.monotonic()
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopping.append(number))
    while trainer.steps_left > 0 and not processes.any_stops(bool(stopping)):
        trainer.train_step(next(stream))
        trainer.measure_pace()
        now = time.monotonic()
        if not processes.is_first:
            continue
        if trainer.step % 50 == 0:
            print(
                f"step {trainer.step} {trainer.pace:.3f} s/step rate {trainer.learning_rate():.2g} {trainer.meter}",
                flush=True,
            )
        if now - saved > 120:
            trainer.save()
            saved = now
    if processes.is_first:
        trainer.save()


if __name__ == "__main__":
    main()
