"""Exports a Hugging Face folder in Microsoft's layout as the artifacts of Spark NLP were: five OpenVINO graphs with the
structure that tracing Microsoft's own model code gives them (bench/artifact.py does the same for transformers'), and
assets/. For measurements of full-size models, and for graphs of other versions than the tests have:

    python make_artifact.py MODEL_FOLDER ARTIFACT_FOLDER [--attention sdpa|eager] [--weights f16|f32|MODE[:GROUP[:RATIO]]]
                            [--side PIXELS] [--static]

MODE is nncf's: INT8_SYM, INT8_ASYM, INT4_SYM, INT4_ASYM. Needs torch, safetensors and openvino of any version from 2024.4 on,
and nncf for the modes.
"""

import argparse
import json
import pathlib
import shutil

import numpy as np
import openvino as ov
import torch
from safetensors.torch import load_file

try:
    from openvino import op, opset13
    from openvino.op.util import Variable, VariableInfo
except ImportError:  # before 2025
    from openvino.runtime import op, opset13
    from openvino.runtime.op.util import Variable, VariableInfo

from microsoft_network import Decoder, Encoder, ImageEmbedding, Merger, Stack


def remember_caches(decoder, heads, width):
    """Makes the caches of a converted Decoder variables that it keeps to itself."""
    rows = opset13.gather(opset13.shape_of(decoder.input("decoder_input_ids")), [0], 0)
    nothing = opset13.broadcast(
        np.float32(0), opset13.concat([rows, np.array([heads, 0, width])], 0)
    )
    for i, (cache, result) in enumerate(
        zip(decoder.get_parameters()[4:], decoder.get_results()[1:])
    ):
        info = VariableInfo()
        cross = i % 4 > 1
        info.variable_id = (
            f"{100 + i}" if cross else f"past_key_values.{i // 4}.{('key', 'value')[i % 2]}"
        )
        info.data_type = ov.Type.f32
        info.data_shape = ov.PartialShape(
            [-1, -1, heads * width] if cross else [-1, heads, -1, width]
        )
        variable = Variable(info)
        present = result.input_value(0).get_node()
        state = op.read_value(present if cross else nothing, variable)
        for user in list(cache.output(0).get_target_inputs()):
            user.replace_source_output(state.output(0))
        decoder.add_sinks([op.assign(state if cross else present, variable)])
        decoder.remove_parameter(cache)
        decoder.remove_result(result)
    decoder.validate_nodes_and_infer_types()


def load(module, weights, prefixes, tied=()):
    """Fills a module from a folder's tensors, whose names begin with one of the prefixes where its own do not."""
    own = {}
    for name in module.state_dict():
        for mine, theirs in prefixes:
            if name.startswith(mine):
                own[name] = weights[theirs + name[len(mine) :]].float()
                break
    missing = module.load_state_dict(own, strict=False).missing_keys
    assert set(missing) <= set(tied), missing


@torch.no_grad()
def export(folder, out, attention, weights, side, static):
    config = json.loads((folder / "config.json").read_text())
    v, t = config["vision_config"], config["text_config"]
    v["dim_embed"] = v.get("dim_embed") or v["embed_dim"]
    v.setdefault("projection_dim", t["d_model"])
    v.setdefault("image_pos_embed", {"max_pos_embeddings": v.get("max_position_embeddings", 50)})
    v.setdefault(
        "visual_temporal_embedding",
        {"max_temporal_embeddings": v.get("max_temporal_embeddings", 100)},
    )
    tensors = load_file(folder / "model.safetensors")
    eager, heads = attention == "eager", t["decoder_attention_heads"]
    width = t["d_model"] // heads
    out.mkdir(parents=True, exist_ok=True)

    def convert(module, inputs, caches=(), shape=None):
        options = {"input": shape} if shape else {}
        graph = ov.convert_model(
            module.eval(), example_input=(*inputs.values(), *caches), **options
        )
        for port, name in zip(graph.inputs, inputs):
            port.get_tensor().set_names({name})
            port.get_node().set_friendly_name(name)
        return graph

    def save(name, graph, mode=weights):
        kind, *sizes = mode.split(":")
        if kind not in ("f16", "f32"):
            import nncf

            options = (
                dict(
                    zip(
                        ("group_size", "ratio"),
                        (int(sizes[0]), float(sizes[1] if sizes[1:] else 1.0)),
                    )
                )
                if sizes
                else {}
            )
            graph = nncf.compress_weights(graph, mode=nncf.CompressWeightsMode[kind], **options)
        ov.save_model(graph, out / f"{name}.xml", compress_to_fp16=kind != "f32")

    side = side or json.loads((folder / "preprocessor_config.json").read_text())["size"]["height"]
    module = ImageEmbedding(config)
    load(module, tensors, [("", "")])
    save(
        "image_embedding",
        convert(
            module,
            {"pixel_values": torch.zeros(1, 3, side, side)},
            shape=[1 if static else -1, 3, side, side],
        ),
    )
    del module
    text = "language_model.model."
    shared = torch.nn.Embedding(t["vocab_size"], t["d_model"])
    shared.weight.data = tensors[text + "shared.weight"].float()
    save(
        "text_embedding",
        convert(shared, {"input": torch.arange(4, 10)[None]}),
        weights if weights in ("f16", "f32") else "INT8_ASYM",
    )
    embeds, mask = torch.zeros(1, 6, t["d_model"]), torch.ones(1, 6)
    save(
        "merger_model", convert(Merger(), {"vision_embeds": embeds, "inputs_embeds": embeds}), "f16"
    )
    module = Encoder(Stack(t, "encoder", eager))
    load(module, tensors, [("model.", text + "encoder.")])
    save("encoder", convert(module, {"inputs_embeds": embeds, "attention_mask": mask}))
    bias = tensors.get("language_model.final_logits_bias", torch.zeros(1, t["vocab_size"])).float()
    module = Decoder(Stack(t, "decoder", eager), shared, bias)
    load(
        module,
        tensors,
        [("decoder.", text + "decoder.")],
        {"shared.weight", "lm_head.weight", "final_logits_bias"},
    )
    head = tensors.get("language_model.lm_head.weight", tensors[text + "shared.weight"])
    module.lm_head.weight.data = head.float().clone()
    inputs = {
        "decoder_input_ids": torch.tensor([[2]]),
        "encoder_hidden_states": embeds,
        "encoder_attention_mask": mask.long(),
        "beam_idx": torch.tensor([0], dtype=torch.int32),
    }
    past = torch.zeros(1, heads, 3, width)
    graph = convert(module, inputs, (past, past, embeds, embeds) * t["decoder_layers"])
    remember_caches(graph, heads, width)
    save("decoder", graph)
    assets = out / "assets"
    assets.mkdir(exist_ok=True)
    for name in ("config.json", "preprocessor_config.json", "tokenizer.json"):
        if (folder / name).exists():
            shutil.copy(folder / name, assets / name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa")
    parser.add_argument("--weights", default="f16")
    parser.add_argument("--side", type=int, default=0)
    parser.add_argument("--static", action="store_true")
    export(**vars(parser.parse_args()))
