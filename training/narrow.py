"""Narrow the feed-forward layers of an exported model to the widths of small_config, for training to go on from.

Of each layer, the inputs of fc2 that its output needs least are removed one at a time, and the others' weights are
changed to make up for each by least squares over drawn scenes (Optimal Brain Surgeon, Hassibi and Stork 1993, for
columns). The matrices are not on the grids of 4 bits afterwards; further training with --rounded puts them there.
"""

import argparse
import shutil
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from data import CURRICULUM, Batch, Plan, batches
from export import generation_config
from model import answer_states, exported_model, fresh_model, image_features
from tokens import PAD

DAMPING = 1e-4  # of the mean square of the inputs


class Moments:
    """Sums of products of a layer's inputs, over all tokens that are no padding; the last input is 1, for the bias."""

    def __init__(self, layer: nn.Module) -> None:
        width = layer.fc2.in_features + 1
        self.sums = torch.zeros(width, width, dtype=torch.float64)
        self.real: Tensor | None = None  # [batch, tokens], of the next inputs
        layer.fc2.register_forward_pre_hook(self.add)

    def add(self, _: nn.Module, inputs: tuple[Tensor]) -> None:
        rows = inputs[0][self.real].double()
        rows = torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)
        self.sums += rows.T @ rows


def observe(model: nn.Module, moments: dict[str, list[Moments]], batch: Batch) -> None:
    """Let the model answer a batch's questions, and add up what its feed-forward layers get."""
    features = image_features(model, batch.pictures)
    for part in batch.questions:
        image = features[part.owner]
        seen = image.new_ones(image.shape[:2], dtype=torch.bool)
        for layer in moments["encoder"]:
            layer.real = torch.cat([seen, part.prompts != PAD], dim=1)
        for layer in moments["decoder"]:
            layer.real = part.answers != PAD
        answer_states(model, image, part.prompts, part.answers)


def least_needed(weights: Tensor, sums: Tensor, keep: int) -> tuple[Tensor, Tensor]:
    """weights: [out, in + 1], the bias last; sums: [in + 1, in + 1]. The inputs that are kept, and the weights [out,
    keep + 1] with which they come nearest to the output of all."""
    damping = DAMPING * sums.diagonal()[:-1].mean()
    inverse = torch.linalg.inv(sums + damping * torch.eye(len(sums), dtype=sums.dtype))
    weights, kept = weights.double(), torch.ones(len(sums), dtype=torch.bool)
    for _ in range(len(sums) - 1 - keep):
        cost = weights.square().sum(0) / inverse.diagonal()
        cost[~kept] = torch.inf
        least = int(cost[:-1].argmin())
        row = inverse[least] / inverse[least, least]
        weights = weights - weights[:, least, None] * row
        inverse = inverse - inverse[:, least, None] * row
        kept[least] = False
    kept[-1] = False
    chosen = kept.nonzero()[:, 0]
    return chosen, torch.cat([weights[:, chosen], weights[:, -1:]], dim=1)


@torch.no_grad()
def narrow(start: Path, out: Path, data: Path, batch_count: int) -> None:
    model = exported_model(start).eval()
    tokenizer = Tokenizer.from_file(str(start / "tokenizer.json"))
    narrowed = fresh_model(tokenizer)
    towers = {
        "encoder": model.model.language_model.encoder.layers,
        "decoder": model.model.language_model.decoder.layers,
    }
    moments = {name: [Moments(layer) for layer in layers] for name, layers in towers.items()}
    plan = Plan(CURRICULUM[-1][0], tasks_each=4, reading=2.0, pages=0.15)
    stream = batches(data, tokenizer, plan, batch_size=32, workers=1)
    for _ in range(batch_count):
        observe(model, moments, next(stream))
    weights = model.state_dict()
    for name, layers in towers.items():
        keep = getattr(narrowed.config.text_config, f"{name}_ffn_dim")
        for i, (layer, seen) in enumerate(zip(layers, moments[name], strict=True)):
            wide = torch.cat([layer.fc2.weight, layer.fc2.bias[:, None]], dim=1)
            chosen, fitted = least_needed(wide, seen.sums, keep)
            prefix = f"model.language_model.{name}.layers.{i}"
            for part in ("weight", "bias"):
                weights[f"{prefix}.fc1.{part}"] = weights[f"{prefix}.fc1.{part}"][chosen]
            weights[f"{prefix}.fc2.weight"] = fitted[:, :-1].float().contiguous()
            weights[f"{prefix}.fc2.bias"] = fitted[:, -1].float().contiguous()
    narrowed.load_state_dict(weights)
    narrowed.generation_config = generation_config()
    shutil.copytree(start, out, dirs_exist_ok=True)
    narrowed.half().save_pretrained(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="MODEL_FOLDER",
        default=Path("models/uffizi-tiny"),
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--data", type=Path, default=Path("build/training"), help="drawings and fonts"
    )
    parser.add_argument("--batches", type=int, default=40, help="of 32 scenes, to fit weights on")
    arguments = parser.parse_args()
    narrow(arguments.start, arguments.out, arguments.data, arguments.batches)
