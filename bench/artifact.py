"""Exports a float Hugging Face folder in Spark NLP's form of Florence-2: five OpenVINO graphs with 4-bit
weights (nncf) and assets/. `uffizi import` takes that folder, and so does `--engine openvino`.

    python artifact.py MODEL_FOLDER ARTIFACT_FOLDER [--f16]

--f16: weights in half precision throughout, as written by exporters that do not compress.
"""

import json
import pathlib
import shutil
import sys

import nncf
import numpy as np
import openvino as ov
import torch
from openvino import op, opset13
from openvino.op.util import Variable, VariableInfo
from transformers import Florence2ForConditionalGeneration

GROUP = 128
attention = torch.nn.functional.scaled_dot_product_attention


class ImageEmbedding(torch.nn.Module):
    """pixel_values [n, 3, side, side] to image tokens [n, tokens, d_model]."""

    def __init__(self, model):
        super().__init__()
        self.model = model.model

    def forward(self, pixel_values):
        return self.model.get_image_features(pixel_values).pooler_output


class Merger(torch.nn.Module):
    def forward(self, vision_embeds, inputs_embeds):
        return torch.cat([vision_embeds, inputs_embeds], 1)


class Bart(torch.nn.Module):
    """The layers that encoder and decoder share."""

    def __init__(self, stack, heads):
        super().__init__()
        self.stack, self.heads = stack, heads

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def begin(self, embeds, first_position):
        offset = 2  # rows before position 0
        positions = torch.arange(embeds.shape[1]) + first_position + offset
        table = self.stack.embed_positions.weight
        return self.stack.layernorm_embedding(
            embeds + torch.nn.functional.embedding(positions, table)
        )

    def attend(self, layer, x, keys, values, mask=None):
        mixed = attention(self.split(layer.q_proj(x)), keys, values, mask)
        return layer.out_proj(mixed.transpose(1, 2).flatten(2))

    def finish(self, layer, x):
        return layer.final_layer_norm(x + layer.fc2(torch.nn.functional.gelu(layer.fc1(x))))

    def encode(self, embeds, mask=None):
        x = self.begin(embeds, 0)
        for layer in self.stack.layers:
            own = layer.self_attn
            mixed = self.attend(own, x, self.split(own.k_proj(x)), self.split(own.v_proj(x)), mask)
            x = self.finish(layer, layer.self_attn_layer_norm(x + mixed))
        return x

    def decode(self, x, past, cross, mask=None):
        """One token through all layers; past and cross: keys and values of each layer. Returns states and what past
        becomes."""
        present = []
        for layer, (keys, values), others in zip(self.stack.layers, past, cross):
            own = layer.self_attn
            keys = torch.cat([keys, self.split(own.k_proj(x))], 2)
            values = torch.cat([values, self.split(own.v_proj(x))], 2)
            present.append((keys, values))
            x = layer.self_attn_layer_norm(x + self.attend(own, x, keys, values))
            mixed = self.attend(layer.encoder_attn, x, *others, mask)
            x = self.finish(layer, layer.encoder_attn_layer_norm(x + mixed))
        return x, present

    def cross(self, layer, states):
        """Keys and values of the encoder's states."""
        other = layer.encoder_attn
        return self.split(other.k_proj(states)), self.split(other.v_proj(states))

    def mask(self, kept):
        """kept [n, tokens], 1 or 0, as what is added to scores, [n, 1, 1, tokens]."""
        return (1 - kept[:, None, None].float()) * torch.finfo(torch.float32).min


class Encoder(Bart):
    """inputs_embeds [n, tokens, d_model] and attention_mask [n, tokens] to states of the embeddings' shape."""

    def forward(self, inputs_embeds, attention_mask):
        return self.encode(inputs_embeds, self.mask(attention_mask))


class Decoder(Bart):
    """decoder_input_ids [n, 1], encoder states and mask, beam_idx [n] (the rows that each row continues), and for
    each layer past keys and values, cross keys and values, [n, heads, tokens, width]. Returns logits
    [n, 1, vocabulary], and what each of the caches is set to: past ones after each token, cross ones
    once."""

    def __init__(self, stack, heads, lm_head):
        super().__init__(stack, heads)
        self.lm_head = lm_head

    def forward(
        self, decoder_input_ids, encoder_hidden_states, encoder_attention_mask, beam_idx, *caches
    ):
        x = self.begin(self.stack.embed_tokens(decoder_input_ids), caches[0].shape[2])
        past = [
            [cache.index_select(0, beam_idx) for cache in caches[i : i + 2]]
            for i in range(0, len(caches), 4)
        ]
        cross = [caches[i + 2 : i + 4] for i in range(0, len(caches), 4)]
        x, present = self.decode(x, past, cross, self.mask(encoder_attention_mask))
        caches = []
        for layer, kept in zip(self.stack.layers, present):
            caches += [*kept, *self.cross(layer, encoder_hidden_states)]
        return (self.lm_head(x), *caches)


def remember_caches(decoder: ov.Model, heads: int, width: int) -> None:
    """Makes the caches of a converted Decoder variables that it keeps to itself."""
    rows = opset13.gather(opset13.shape_of(decoder.input("decoder_input_ids")), [0], 0)
    nothing = opset13.broadcast(
        np.float32(0), opset13.concat([rows, np.array([heads, 0, width])], 0)
    )
    for i, (cache, result) in enumerate(
        zip(decoder.get_parameters()[4:], decoder.get_results()[1:])
    ):
        info = VariableInfo()
        info.variable_id = f"{('past', 'cross')[i // 2 % 2]}.{i // 4}.{('key', 'value')[i % 2]}"
        info.data_type, info.data_shape = ov.Type.f32, ov.PartialShape([-1, heads, -1, width])
        variable = Variable(info)
        present = result.input_value(0).get_node()
        is_cross = "cross" in info.variable_id
        state = op.read_value(present if is_cross else nothing, variable)
        for user in cache.output(0).get_target_inputs():
            user.replace_source_output(state.output(0))
        decoder.add_sinks([op.assign(state if is_cross else present, variable)])
        decoder.remove_parameter(cache)
        decoder.remove_result(result)
    decoder.validate_nodes_and_infer_types()


@torch.no_grad()
def export(folder: pathlib.Path, out: pathlib.Path, compress: bool) -> None:
    model = (
        Florence2ForConditionalGeneration.from_pretrained(folder)
        .float()
        .eval()
        .requires_grad_(False)
    )
    text, config = model.model.language_model, model.config.text_config
    heads = config.decoder_attention_heads
    width = config.d_model // heads
    out.mkdir(parents=True, exist_ok=True)

    def convert(module, inputs: dict, caches=(), shape=None) -> ov.Model:
        options = {"input": shape} if shape else {}
        graph = ov.convert_model(
            module.eval(), example_input=(*inputs.values(), *caches), **options
        )
        for port, name in zip(graph.inputs, inputs):
            port.get_tensor().set_names({name})
            port.get_node().set_friendly_name(name)
        return graph

    def save(name, graph, mode=nncf.CompressWeightsMode.INT4_SYM, group=GROUP) -> None:
        if compress and mode is not None:
            graph = nncf.compress_weights(graph, mode=mode, group_size=group)
        ov.save_model(graph, out / f"{name}.xml")

    side = json.loads((folder / "preprocessor_config.json").read_text())["size"]["height"]
    pixels = torch.zeros(1, 3, side, side)
    save(
        "image_embedding",
        convert(ImageEmbedding(model), {"pixel_values": pixels}, shape=[-1, 3, side, side]),
    )
    ids = torch.arange(4, 10)[None]
    save(
        "text_embedding",
        convert(text.encoder.embed_tokens, {"input": ids}),
        nncf.CompressWeightsMode.INT8_ASYM,
        None,
    )
    embeds = torch.zeros(1, 6, config.d_model)
    save(
        "merger_model", convert(Merger(), {"vision_embeds": embeds, "inputs_embeds": embeds}), None
    )
    mask = torch.ones(1, 6, dtype=torch.int64)
    encoder = Encoder(text.encoder, config.encoder_attention_heads)
    save("encoder", convert(encoder, {"inputs_embeds": embeds, "attention_mask": mask}))
    inputs = {
        "decoder_input_ids": torch.tensor([[2]]),
        "encoder_hidden_states": embeds,
        "encoder_attention_mask": mask,
        "beam_idx": torch.tensor([0], dtype=torch.int32),
    }
    past, cross = torch.zeros(1, heads, 3, width), torch.zeros(1, heads, 6, width)
    caches = (past, past, cross, cross) * config.decoder_layers
    decoder = convert(Decoder(text.decoder, heads, model.lm_head), inputs, caches)
    remember_caches(decoder, heads, width)
    save("decoder", decoder)

    assets = out / "assets"
    assets.mkdir(exist_ok=True)
    for name in ("config.json", "preprocessor_config.json", "tokenizer.json"):
        shutil.copy(folder / name, assets / name)


if __name__ == "__main__":
    folder, out, *options = sys.argv[1:]
    export(pathlib.Path(folder), pathlib.Path(out), compress=options != ["--f16"])
