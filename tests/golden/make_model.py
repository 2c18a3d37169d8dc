"""Makes tests/data/model/goldens.json.gz: what PyTorch's Florence-2 computes from random weights.

Needs torch and transformers. Run from the repository's root:

    python3 tests/golden/make_model.py

Weights come from random_weights.py, which tests/support/random_model.cc mirrors, so the file holds
configs, inputs and results only: samples of the vision tokens, encoder states and first logits, and
the ids of several searches.
"""

import gzip
import json
import pathlib
import sys

import numpy as np
import torch
from random_weights import pattern_picture, random_weight
from transformers import Florence2Config, Florence2ForConditionalGeneration, GenerationConfig
from transformers.modeling_outputs import BaseModelOutput

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "model" / "goldens.json.gz"
SAMPLES = 256
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

VISION = dict(
    model_type="florence_vision",
    depths=[1, 1, 1, 1],
    embed_dim=[32, 32, 64, 64],
    num_heads=[1, 2, 2, 4],
    num_groups=[1, 2, 4, 2],
    patch_size=[7, 3, 3, 3],
    patch_stride=[4, 2, 2, 2],
    patch_padding=[3, 1, 1, 1],
    patch_prenorm=[False, True, True, True],
    window_size=12,
    mlp_ratio=4.0,
    projection_dim=64,
    max_position_embeddings=50,
    drop_path_rate=0.1,
)
TEXT = dict(
    model_type="bart",
    vocab_size=600,
    d_model=64,
    encoder_layers=2,
    decoder_layers=2,
    encoder_attention_heads=4,
    decoder_attention_heads=4,
    encoder_ffn_dim=128,
    decoder_ffn_dim=128,
    max_position_embeddings=256,
    activation_function="gelu",
    bos_token_id=0,
    eos_token_id=2,
    pad_token_id=1,
    decoder_start_token_id=2,
    forced_eos_token_id=2,
    scale_embedding=False,
)

# name, changes to VISION, changes to TEXT, picture size (width, height), how the weights are saved
MODELS = [
    ("plain", {}, {}, (96, 96), {}),
    ("windows_padded", {"window_size": 5}, {"scale_embedding": True}, (112, 80), {"dtype": "F16"}),
    (
        "large_window",
        {"window_size": 40, "mlp_ratio": 2.0},
        {"encoder_ffn_dim": 96, "decoder_ffn_dim": 160},
        (128, 96),
        {"layout": "microsoft", "dtype": "F16"},
    ),
    (
        "odd_widths",
        {
            "embed_dim": [24, 40, 56, 72],
            "num_heads": [2, 4, 7, 8],
            "num_groups": [3, 5, 7, 9],
            "projection_dim": 36,
            "qkv_bias": False,
        },
        {
            "d_model": 36,
            "encoder_attention_heads": 3,
            "decoder_attention_heads": 2,
            "vocab_size": 517,
        },
        (100, 75),
        {"layout": "microsoft"},
    ),
    (
        "deep_untied",
        {"depths": [1, 2, 3, 1]},
        {"encoder_layers": 4, "decoder_layers": 3},
        (64, 64),
        {"tied": False},
    ),
    (
        "other_patches",
        {
            "patch_size": [5, 2, 3, 1],
            "patch_stride": [3, 2, 1, 2],
            "patch_padding": [2, 0, 1, 0],
            "patch_prenorm": [False, False, True, False],
        },
        {"encoder_layers": 1, "decoder_layers": 1},
        (60, 90),
        {"dtype": "BF16", "shared_key": False},
    ),
    (
        "three_stages",
        {
            "depths": [2, 1, 1],
            "embed_dim": [32, 48, 96],
            "num_heads": [4, 3, 6],
            "num_groups": [2, 6, 3],
            "patch_size": [7, 3, 3],
            "patch_stride": [4, 2, 2],
            "patch_padding": [3, 1, 1],
            "patch_prenorm": [False, True, True],
        },
        {},
        (80, 80),
        {"layout": "microsoft", "tied": False},
    ),
    (
        "base",
        {
            "depths": [1, 1, 9, 1],
            "embed_dim": [128, 256, 512, 1024],
            "num_heads": [4, 8, 16, 32],
            "num_groups": [4, 8, 16, 32],
            "projection_dim": 768,
        },
        {
            "vocab_size": 51289,
            "d_model": 768,
            "encoder_layers": 6,
            "decoder_layers": 6,
            "encoder_attention_heads": 12,
            "decoder_attention_heads": 12,
            "encoder_ffn_dim": 3072,
            "decoder_ffn_dim": 3072,
            "max_position_embeddings": 1024,
        },
        (768, 768),
        {"layout": "microsoft", "dtype": "F16"},
    ),
]

SEARCHES = [
    {"max_length": 41},
    {
        "num_beams": 3,
        "no_repeat_ngram_size": 3,
        "early_stopping": True,
        "forced_bos_token_id": 0,
        "forced_eos_token_id": 2,
        "max_length": 41,
    },
    {
        "num_beams": 3,
        "no_repeat_ngram_size": 2,
        "early_stopping": False,
        "length_penalty": 0.5,
        "repetition_penalty": 1.3,
        "min_length": 9,
        "max_length": 30,
        "forced_eos_token_id": 2,
    },
    {"num_beams": 4, "length_penalty": 2.0, "early_stopping": "never", "max_length": 25},
]


def store(values: np.ndarray, dtype: str) -> torch.Tensor:
    """The values as they are after a trip through the saved type."""
    tensor = torch.from_numpy(values)
    kinds = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}
    return tensor.to(kinds[dtype]).float()


def build(vision: dict, text: dict, saved: dict, seed: int) -> Florence2ForConditionalGeneration:
    tied = saved.get("tied", True)
    text = text | {"tie_word_embeddings": tied}
    config = Florence2Config(
        vision_config=vision,
        text_config=text,
        image_token_id=text["vocab_size"] - 1,
        tie_word_embeddings=tied,
    )
    config._attn_implementation = "eager"
    model = Florence2ForConditionalGeneration(config).eval()
    dtype = saved.get("dtype", "F32")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(store(random_weight(name, tuple(parameter.shape), seed), dtype))
        for name, buffer in model.named_buffers():
            if name.endswith("pos_idx_to_embed"):
                buffer.copy_(store(buffer.numpy().copy(), dtype))
    return model


def samples(tensor: torch.Tensor) -> dict:
    flat = tensor.detach().flatten()
    step = max(1, flat.numel() // SAMPLES)
    picked = flat[::step][:SAMPLES]
    return {"step": step, "max": float(flat.abs().max()), "values": [float(v) for v in picked]}


def strip_padding(ids: list[int]) -> list[int]:
    """Without the padding behind </s>; a pad that the model chose itself stays."""
    end = ids.index(2) + 1 if 2 in ids else len(ids)
    assert all(i == 1 for i in ids[end:])
    return ids[:end]


def run_case(model, size, kind: int, ids: list[int]) -> dict:
    picture = pattern_picture(*size, kind)
    pixels = (torch.from_numpy(picture).float() / 255 - torch.tensor(MEAN)) / torch.tensor(STD)
    with torch.no_grad():
        image = model.model.get_image_features(pixels.permute(2, 0, 1)[None]).pooler_output
        embedded = model.get_input_embeddings()(torch.tensor([ids]))
        inputs = torch.cat([image, embedded], 1)
        mask = torch.ones(inputs.shape[:2], dtype=torch.long)
        encoder = model.model.language_model.encoder(inputs_embeds=inputs, attention_mask=mask)
        logits = model(
            encoder_outputs=encoder, attention_mask=mask, decoder_input_ids=torch.tensor([[2]])
        ).logits
        # What is needed of the encoder, before generate() widens its output for beams in place.
        states = encoder.last_hidden_state.clone()
        searches = []
        for options in SEARCHES:
            config = GenerationConfig(
                decoder_start_token_id=2, bos_token_id=0, eos_token_id=2, pad_token_id=1, **options
            )
            model.generation_config = GenerationConfig()
            out = model.generate(
                encoder_outputs=BaseModelOutput(last_hidden_state=states.clone()),
                attention_mask=mask,
                generation_config=config,
            )[0].tolist()[1:]
            searches.append({"options": options, "ids": strip_padding(out)})
    return {
        "kind": kind,
        "input_ids": ids,
        "vision": samples(image),
        "encoder": samples(states),
        "logits": samples(logits),
        "searches": searches,
    }


def main() -> None:
    torch.set_num_threads(1)
    models = []
    for seed, (name, vision_changes, text_changes, size, saved) in enumerate(MODELS):
        vision, text = VISION | vision_changes, TEXT | text_changes
        model = build(vision, text, saved, seed)
        random = np.random.default_rng(seed)
        cases = []
        for kind in range(1 if name == "base" else 3):
            ids = [0, *random.integers(4, text["vocab_size"] - 1, 5 + 3 * kind).tolist(), 2]
            cases.append(run_case(model, size, kind, ids))
            print(name, kind, [search["ids"][:8] for search in cases[-1]["searches"]], flush=True)
        config = {"model_type": "florence2", "vision_config": vision, "text_config": text}
        models.append(
            {
                "name": name,
                "seed": seed,
                "config": config,
                "size": size,
                "saved": saved,
                "cases": cases,
            }
        )
    OUT.parent.mkdir(parents=True, exist_ok=True)
    with open(OUT, "wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed:
        packed.write(json.dumps({"models": models}).encode())
    print(f"{OUT}: {OUT.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
