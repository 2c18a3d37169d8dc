#!/usr/bin/env python3
"""Makes tests/data/generate/searches.json: what transformers' generate() answers over many options,
and sampled_beams.json: how often it gives which answer when it samples within beams.

    python tests/golden/make_generate.py        # needs torch, numpy and transformers 5.24

The model is a fake one: its logits are hashes of the sequence so far, integers scaled by powers of
two, which tests/generate/fake_model.h makes bit for bit the same. A case is kept only if logits
that are off by up to 1e-5 give the same answer in the same number of steps, so that no case hangs
on the last bit of a logarithm (a short-sighted model makes many sequences nearly equal in score);
otherwise the case's model gets another seed.

Each case holds `model` (how the logits are made), `config` (the options, by the names of
GenerationConfig in C++), and from generate(): `ids` (without the start token), `steps` (how often
the decoder ran), `truncated` (max_length ended it), and with beams `score` (sequences_scores).
A sampled case holds `model`, `config`, and `answers`: [ids, how often].
"""

import collections
import json
import random
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput
from transformers.utils import logging

CASES = 600
OUTPUT = Path(__file__).parent.parent / "data" / "generate" / "searches.json"
SAMPLED = OUTPUT.with_name("sampled_beams.json")
DRAWS = 4000
# Of a model with so few tokens that answers repeat.
SAMPLED_CONFIGS = [
    {"num_beams": 2, "top_k": 0},
    {"num_beams": 2, "top_k": 0, "temperature": 3.0, "length_penalty": 0.0},
    {"num_beams": 2, "top_k": 1, "temperature": 4.0},  # beams keep more than top_k says
    {"num_beams": 2, "top_p": 0.8, "temperature": 2.0, "early_stopping": True},
    {"num_beams": 3, "top_p": 0.0, "temperature": 4.0},
    {"num_beams": 3, "forced_bos_token_id": 0, "forced_eos_token_id": 2, "temperature": 4.0},
    {"num_beams": 2, "no_repeat_ngram_size": 1, "repetition_penalty": 1.5, "temperature": 3.0},
]
START = 2
PAD = 1


def mix(z):
    """One step of SplitMix64 on uint64 arrays."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def logits_after(model, history, noise):
    """float32 [vocab]: the logits of what follows `history`; noise 1, 2, ... disturbs them."""
    context = history if model["context"] == 0 else history[-model["context"] :]
    state = mix(np.array([model["seed"]], np.uint64))
    for token in context:
        state = mix(state ^ np.uint64(token))
    if model["position"]:
        state = mix(state ^ (np.uint64(len(history)) << np.uint64(32)))
    hashes = mix(state ^ mix(np.arange(model["vocab"], dtype=np.uint64)))
    u = hashes >> np.uint64(40)
    if model["peaky"]:
        for _ in range(2):
            u = (u * u) >> np.uint64(24)
        logits = u.astype(np.float32) * np.float32(2.0**-20)
    else:
        logits = u.astype(np.float32) * np.float32(2.0**-22)
    for token in model["ends"]:
        logits[token] += np.float32(model["end_bias"] + model["end_slope"] * len(history))
    if noise:
        jitter = np.random.default_rng([noise, *history]).uniform(-1e-5, 1e-5, len(logits))
        logits = logits + jitter.astype(np.float32)
    return logits


class FakeConfig(PretrainedConfig):
    model_type = "fake"


class FakeEncoder(torch.nn.Module):
    main_input_name = "input_ids"

    def forward(self, input_ids, **_):
        return BaseModelOutput(last_hidden_state=torch.zeros(*input_ids.shape, 1))


class FakeModel(PreTrainedModel, GenerationMixin):
    config_class = FakeConfig
    main_input_name = "input_ids"

    def __init__(self, config):
        super().__init__(config)
        self.encoder = FakeEncoder()
        self.anchor = torch.nn.Parameter(torch.zeros(1))
        self.post_init()

    def get_encoder(self, modality=None):
        return self.encoder

    def forward(self, input_ids=None, encoder_outputs=None, decoder_input_ids=None, **_):
        self.steps += 1
        rows = [logits_after(self.spec, row, self.noise) for row in decoder_input_ids.tolist()]
        return Seq2SeqLMOutput(logits=torch.from_numpy(np.stack(rows))[:, None, :])


def generate(fake, model, config, noise):
    """(ids without the start token, decoder steps, score of the sequence or None)."""
    fake.spec, fake.noise, fake.steps = model, noise, 0
    options = {key: value for key, value in config.items() if key != "eos_token_ids"}
    output = fake.generate(
        input_ids=torch.zeros(1, 1, dtype=torch.long),
        eos_token_id=config["eos_token_ids"],
        pad_token_id=PAD,
        decoder_start_token_id=START,
        do_sample=False,
        use_cache=False,
        return_dict_in_generate=True,
        output_scores=True,
        **options,
    )
    score = output.sequences_scores[0].item() if config["num_beams"] > 1 else None
    return output.sequences[0, 1:].tolist(), fake.steps, score


def draw_case(rng):
    """A random model and options. Unset options are left to their defaults."""
    ends = rng.choice([[2], [2], [2], [2, 5], [2, 5, 7], []])
    model = {
        "seed": rng.randrange(1 << 48),
        "vocab": rng.choice([48, 64, 131, 257, 1000, 2049]),
        "context": rng.choice([0, 0, 1, 2]),
        "position": rng.random() < 0.5,
        "peaky": rng.random() < 0.6,
        "ends": ends,
        "end_bias": rng.choice([-2, 0, 0, 0, 3, 5, 8, 12.5]),
        "end_slope": rng.choice([0, 0, 0.25, 0.5, -0.25]),
    }
    config = {
        "num_beams": rng.choice([1, 2, 3, 3, 4, 5, 8]),
        "max_length": rng.choice([2, 3, 6, 10, 16, 20, 24, 30, 36]),
        "eos_token_ids": ends,
    }
    if config["num_beams"] > 1:
        config["early_stopping"] = rng.choice([False, False, True, "never"])
        config["length_penalty"] = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0, 1.0, 1.5, 2.0])
    maybe = {
        "no_repeat_ngram_size": [1, 2, 3, 3, 4],
        "repetition_penalty": [0.8, 1.1, 1.3, 2.0],
        "min_length": [3, 8, 12],
        "forced_bos_token_id": [0, 0, 9],
        "forced_eos_token_id": [2, 2, 11],
        "suppress_tokens": [[3], [4, 6, 8, 10, 12, 14, 16, 18, 20], [46, 47]],
    }
    for key, values in maybe.items():
        if rng.random() < 0.4:
            config[key] = rng.choice(values)
    return model, config


def sample(fake, seed, options):
    """How often generate() gives which answer of a model with twelve tokens."""
    ends = [2, 5] if seed % 2 else [2]
    model = {
        "seed": seed,
        "vocab": 12,
        "context": 0,
        "position": False,
        "peaky": False,
        "ends": ends,
        "end_bias": -1,
        "end_slope": 0,
    }
    fake.spec, fake.noise, fake.steps = model, 0, 0
    torch.manual_seed(seed)
    counts = collections.Counter()
    for _ in range(DRAWS // 500):
        rows = fake.generate(
            input_ids=torch.zeros(500, 1, dtype=torch.long),
            eos_token_id=ends,
            pad_token_id=PAD,
            decoder_start_token_id=START,
            max_length=5,
            do_sample=True,
            use_cache=False,
            **options,
        )
        for row in rows[:, 1:].tolist():
            last = next((i for i, token in enumerate(row) if token in ends), len(row) - 1)
            counts[tuple(row[: last + 1])] += 1
    config = {**options, "do_sample": True, "max_length": 5, "eos_token_ids": ends}
    return {"model": model, "config": config, "answers": sorted(counts.items())}


def main():
    warnings.filterwarnings("ignore")
    logging.set_verbosity_error()
    torch.set_num_threads(1)
    fake = FakeModel(FakeConfig(is_encoder_decoder=True)).eval()
    rng = random.Random(20240611)
    cases, redrawn = [], 0
    while len(cases) < CASES:
        model, config = draw_case(rng)
        while True:
            ids, steps, score = generate(fake, model, config, noise=0)
            if all(generate(fake, model, config, noise)[:2] == (ids, steps) for noise in (1, 2, 3)):
                break
            redrawn += 1
            model["seed"] += 1
        at_limit = 1 + len(ids) == config["max_length"]
        own_end = ids[-1] in config["eos_token_ids"] and not (
            at_limit and "forced_eos_token_id" in config
        )
        case = {"model": model, "config": config, "ids": ids, "steps": steps}
        case["truncated"] = not own_end
        if score is not None:
            case["score"] = score
        cases.append(case)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    OUTPUT.write_text(f"[\n{lines}\n]\n")
    print(f"{OUTPUT.name}: {len(cases)} cases, {redrawn} redrawn", file=sys.stderr)
    lines = ",\n".join(
        json.dumps(sample(fake, seed, options), separators=(",", ":"))
        for seed, options in enumerate(SAMPLED_CONFIGS)
    )
    SAMPLED.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    with np.errstate(over="ignore"):
        main()
