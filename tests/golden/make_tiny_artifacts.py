"""Makes tests/data/models/tiny_*.zip: the graphs of one very small random model, traced as Microsoft's code and as
transformers', in mixed precisions. They seed the fuzzers, and have no tokenizer.

Needs a release build, and torch, transformers, safetensors, openvino and nncf.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import nncf

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path += [str(ROOT / "bench"), str(pathlib.Path(__file__).parent)]
import artifact  # noqa: E402
import make_artifact  # noqa: E402

VISION = {
    "patch_size": [7, 3],
    "patch_stride": [4, 2],
    "patch_padding": [3, 1],
    "patch_prenorm": [False, True],
    "num_heads": [1, 2],
    "num_groups": [2, 1],
    "depths": [1, 1],
    "window_size": 3,
    "projection_dim": 16,
    "mlp_ratio": 2.0,
}
TEXT = {
    "model_type": "bart",
    "vocab_size": 1537,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "max_position_embeddings": 40,
}
WIDTHS, SIDE, GROUP = [8, 16], 24, 8


def make_model(folder, microsoft):
    vision = dict(VISION, model_type="davit" if microsoft else "florence_vision")
    vision["dim_embed" if microsoft else "embed_dim"] = WIDTHS
    config = {
        "model_type": "florence2",
        "vision_config": vision,
        "text_config": TEXT,
        "image_token_id": 1537,
    }
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"size": {"height": SIDE, "width": SIDE}})
    )
    (folder / "tokenizer.json").write_text("{}")
    command = [ROOT / "build/release/bin/make_random_model", folder] + (
        ["--microsoft"] if microsoft else []
    )
    subprocess.run(command, check=True)


def pack(folder, out):
    with zipfile.ZipFile(out, "w") as archive:
        for name in ("image_embedding", "text_embedding", "encoder", "decoder"):
            for ending in ("xml", "bin"):
                info = zipfile.ZipInfo(f"{name}.{ending}", (1980, 1, 1, 0, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, (folder / f"{name}.{ending}").read_bytes(), compresslevel=9)


def main():
    compress = nncf.compress_weights

    def in_small_groups(graph, mode, group_size):
        sizes = {} if mode.value.startswith("int8") else {"group_size": GROUP, "ratio": 1.0}
        return compress(graph, mode=mode, **sizes)

    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        make_model(work / "microsoft", True)
        make_artifact.export(work / "microsoft", work / "a", "sdpa", f"INT4_ASYM:{GROUP}", 0, False)
        pack(work / "a", ROOT / "tests/data/models/tiny_microsoft.zip")
        make_model(work / "transformers", False)
        nncf.compress_weights = in_small_groups
        artifact.export(work / "transformers", work / "b")
        pack(work / "b", ROOT / "tests/data/models/tiny_transformers.zip")


if __name__ == "__main__":
    main()
