"""Write the trained model as an ordinary Hugging Face folder that transformers and Uffizi open."""

import argparse
import json
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import (
    CLIPImageProcessor,
    Florence2Processor,
    GenerationConfig,
    PreTrainedTokenizerFast,
)

from model import (
    IMAGE_MEAN,
    IMAGE_SIDE,
    IMAGE_STD,
    IMAGE_TOKENS,
    MAX_POSITIONS,
    exported_model,
    fresh_model,
)
from rounding import int4_matrices, round_matrices
from tokens import BOS, EOS, FLORENCE_TOKENS, IMAGE_TOKEN, PAD

Weights = dict[str, torch.Tensor]


def fast_tokenizer(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """The tokenizer as transformers wraps it, with the image token that the processor asks for."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=FLORENCE_TOKENS,
        extra_special_tokens={"image_token": IMAGE_TOKEN},
        model_max_length=MAX_POSITIONS,
    )


def generation_config() -> GenerationConfig:
    """Greedy, and free to repeat itself: two boxes may share numbers."""
    return GenerationConfig(
        bos_token_id=BOS,
        pad_token_id=PAD,
        eos_token_id=EOS,
        decoder_start_token_id=EOS,
        forced_bos_token_id=BOS,
        forced_eos_token_id=EOS,
        num_beams=1,
        no_repeat_ngram_size=0,
        max_length=MAX_POSITIONS,
    )


def blended(weights: Weights, start: Path, share: float) -> Weights:
    """The mean of the trained weights, which get `share`, and those that training started from (arXiv 2109.01903)."""
    before = exported_model(start).state_dict()
    return {
        name: torch.lerp(before[name], value, share) if value.is_floating_point() else value
        for name, value in weights.items()
    }


def export(run: Path, out: Path, start: Path | None, share: float, as_int4: bool) -> None:
    """Save a run's averaged weights in half precision, and all the files around them."""
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    state = torch.load(run / "checkpoint.pt", map_location="cpu")
    weights = blended(state["average"], start, share) if start else state["average"]
    model = fresh_model(tokenizer)
    model.load_state_dict(weights)
    if as_int4:
        matrices = list(int4_matrices(model).values())
        with torch.no_grad():
            torch._foreach_copy_(matrices, round_matrices(matrices))
    model.generation_config = generation_config()
    model.half().save_pretrained(out)
    side = {"height": IMAGE_SIDE, "width": IMAGE_SIDE}
    images = CLIPImageProcessor(
        size=side,
        crop_size=side,
        do_center_crop=False,
        image_mean=list(IMAGE_MEAN),
        image_std=list(IMAGE_STD),
        resample=3,
        image_seq_length=IMAGE_TOKENS,
    )
    processor = Florence2Processor(image_processor=images, tokenizer=fast_tokenizer(tokenizer))
    processor.save_pretrained(out)
    images.image_seq_length = IMAGE_TOKENS
    images.save_pretrained(out)
    tokenizer.save(str(out / "tokenizer.json"))
    print(json.dumps({"step": state["step"], "bytes": (out / "model.safetensors").stat().st_size}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("build/training/run"), help="of train.py")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="MODEL_FOLDER",
        help="average with the model that the run started from",
    )
    parser.add_argument("--share", type=float, default=0.5, help="of the run in that average")
    parser.add_argument(
        "--rounded",
        action="store_true",
        help="round the matrices as INT4 rounds them, so that INT4 changes nothing more",
    )
    arguments = parser.parse_args()
    export(arguments.run, arguments.out, arguments.start, arguments.share, arguments.rounded)
