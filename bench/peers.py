"""The engines that Uffizi is compared with: the same network in OpenVINO (INT4 by nncf), and one 4-bit
matrix product in ONNX Runtime.

    python peers.py export MODEL_FOLDER IR_FOLDER          # float Hugging Face folder to INT4 IR
    python peers.py export-int8 MODEL_FOLDER IR_FOLDER     # encoders in INT8 by post-training quantization
    python peers.py openvino IR_FOLDER --threads N         # one JSON line of seconds
    python peers.py torch MODEL_FOLDER --threads N         # in bfloat16
    python peers.py onnxruntime --threads N

The exported decoder uses OpenVINO's best form: stateful self-attention cache,
cross-attention keys and values computed once a picture and not once a token.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import time

import numpy as np

TOKENS = 50
GEMM_ROWS, GEMM_COLUMNS, GEMM_DEPTH, GEMM_GROUP = 2304, 4096, 1024, 64


def export(model_folder: pathlib.Path, out: pathlib.Path, int8: bool = False) -> None:
    """Writes vision.xml, encoder.xml, cross.xml and decoder.xml, all with INT4 weights. With `int8`, what runs once
    a picture takes INT8 weights and activations; the decoder, which is memory-bound, stays at INT4."""
    import nncf
    import openvino as ov
    import torch
    from artifact import Bart, ImageEmbedding
    from openvino._offline_transformations import apply_make_stateful_transformation
    from transformers import Florence2ForConditionalGeneration

    torch.set_grad_enabled(False)
    model = Florence2ForConditionalGeneration.from_pretrained(model_folder)
    model = model.float().eval().requires_grad_(False)
    text = model.model.language_model
    config = model.config.text_config
    heads = config.decoder_attention_heads
    width = config.d_model // heads

    class Encoder(Bart):
        def forward(self, image, ids):
            return self.encode(torch.cat([image, self.stack.embed_tokens(ids)], 1))

    class Cross(Bart):
        def forward(self, states):
            return tuple(
                cache for layer in self.stack.layers for cache in self.cross(layer, states)
            )

    class Decoder(Bart):
        """One token: ids [1, 1], position [1], then per layer cross K, cross V, past K, past V."""

        def forward(self, ids, position, *caches):
            x = self.begin(self.stack.embed_tokens(ids), position)
            layers = range(0, len(caches), 4)
            past = [caches[i + 2 : i + 4] for i in layers]
            cross = [caches[i : i + 2] for i in layers]
            x, present = self.decode(x, past, cross)
            return (model.lm_head(x), *(cache for pair in present for cache in pair))

    vision = ImageEmbedding(model)
    encoder = Encoder(text.encoder, config.encoder_attention_heads)
    cross_caches = Cross(text.decoder, heads)
    token = Decoder(text.decoder, heads)
    out.mkdir(parents=True, exist_ok=True)

    def save(name, converted, *example):
        if int8 and example:
            # Weights are random, so random pictures calibrate them as well as any.
            inputs = [tuple(array.numpy() for array in example)] * 4
            converted = nncf.quantize(
                converted,
                nncf.Dataset(inputs),
                model_type=nncf.ModelType.TRANSFORMER,
                subset_size=len(inputs),
            )
            ov.save_model(converted, out / f"{name}.xml")
            return
        nncf.compress_weights(
            converted, mode=nncf.CompressWeightsMode.INT4_SYM, ratio=1.0, group_size=128
        )
        ov.save_model(converted, out / f"{name}.xml")

    side = 768
    pixels = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    image = vision(pixels)
    save("vision", ov.convert_model(vision, example_input=pixels, input=[1, 3, side, side]), pixels)
    ids = torch.arange(4, 18)[None]
    save("encoder", ov.convert_model(encoder, example_input=(image, ids)), image, ids)
    states = encoder(image, ids)
    save("cross", ov.convert_model(cross_caches, example_input=states), states)
    cross = cross_caches(states)
    past = torch.zeros(1, heads, 3, width)
    caches = [
        t for i in range(len(text.decoder.layers)) for t in (*cross[2 * i : 2 * i + 2], past, past)
    ]
    decoder = ov.convert_model(
        token, example_input=(torch.tensor([[2]]), torch.tensor([0]), *caches)
    )
    state_names = {}
    for i, port in enumerate(decoder.inputs):
        port.get_tensor().set_names(
            {"ids" if i == 0 else "position" if i == 1 else f"cache{i - 2}"}
        )
        if i >= 2:
            length = -1 if (i - 2) % 4 >= 2 else cross[0].shape[2]
            port.get_node().set_partial_shape(ov.PartialShape([1, heads, length, width]))
        else:
            port.get_node().set_partial_shape(ov.PartialShape([1, 1] if i == 0 else [1]))
    for i, port in enumerate(decoder.outputs):
        port.get_tensor().set_names({"logits" if i == 0 else f"present{i - 1}"})
        if i > 0:
            state_names[f"cache{(i - 1) // 2 * 4 + 2 + (i - 1) % 2}"] = f"present{i - 1}"
    decoder.validate_nodes_and_infer_types()
    apply_make_stateful_transformation(decoder, state_names)
    save("decoder", decoder)


def run_openvino(folder: pathlib.Path, threads: int, repeats: int) -> dict:
    import openvino as ov

    core = ov.Core()
    core.set_property("CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"})
    if "ONEDNN_MAX_CPU_ISA" in os.environ:
        # It looks at the processor itself for bf16 and dynamic quantization, which AVX2 alone does not give it.
        core.set_property(
            "CPU", {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
        )
    start = time.perf_counter()
    names = ("vision", "encoder", "cross", "decoder")
    requests = {
        n: core.compile_model(folder / f"{n}.xml", "CPU").create_infer_request() for n in names
    }
    load = time.perf_counter() - start
    pixels = np.random.default_rng(0).standard_normal((1, 3, 768, 768), np.float32)
    ids = np.arange(4, 18)[None]
    rows = []
    for _ in range(repeats + 1):
        clock = [time.perf_counter()]
        image = requests["vision"].infer([pixels])[0]
        clock.append(time.perf_counter())
        states = requests["encoder"].infer([image, ids])[0]
        cross = list(requests["cross"].infer([states]).values())
        clock.append(time.perf_counter())
        decoder = requests["decoder"]
        decoder.reset_state()
        for i, tensor in enumerate(cross):
            decoder.set_tensor(f"cache{i // 2 * 4 + i % 2}", ov.Tensor(tensor))
        token = 2
        for position in range(TOKENS):
            decoder.set_tensor("ids", ov.Tensor(np.array([[token]], np.int64)))
            decoder.set_tensor("position", ov.Tensor(np.array([position], np.int64)))
            decoder.infer()
            token = int(decoder.get_tensor("logits").data[0, -1].argmax())
        clock.append(time.perf_counter())
        rows.append(np.diff(clock))
    vision, encoder, decoder = (statistics.median(column) for column in zip(*rows[1:]))
    return {
        "vision": vision,
        "encoder": encoder,
        "token": decoder / TOKENS,
        "picture": vision + encoder + decoder,
        "load": load,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }


def run_torch(folder: pathlib.Path, threads: int, repeats: int) -> dict:
    """transformers in bfloat16, greedy, as its users run it on a CPU."""
    import torch
    from transformers import Florence2ForConditionalGeneration

    torch.set_grad_enabled(False)
    torch.set_num_threads(threads)
    start = time.perf_counter()
    model = Florence2ForConditionalGeneration.from_pretrained(folder, dtype=torch.bfloat16).eval()
    load = time.perf_counter() - start
    pixels = torch.randn(1, 3, 768, 768, dtype=torch.bfloat16)
    text = model.model.language_model
    ids = torch.arange(4, 18)[None]
    rows = []
    for _ in range(repeats + 1):
        clock = [time.perf_counter()]
        image = model.model.get_image_features(pixels).pooler_output
        clock.append(time.perf_counter())
        states = text.encoder(inputs_embeds=torch.cat([image, text.encoder.embed_tokens(ids)], 1))
        clock.append(time.perf_counter())
        token, past = torch.tensor([[2]]), None
        for _ in range(TOKENS):
            out = text.decoder(
                input_ids=token,
                encoder_hidden_states=states.last_hidden_state,
                past_key_values=past,
                use_cache=True,
            )
            past = out.past_key_values
            token = model.lm_head(out.last_hidden_state)[:, -1:].argmax(-1)
        clock.append(time.perf_counter())
        rows.append(np.diff(clock))
    vision, encoder, decoder = (statistics.median(column) for column in zip(*rows[1:]))
    return {
        "vision": vision,
        "encoder": encoder,
        "token": decoder / TOKENS,
        "picture": vision + encoder + decoder,
        "load": load,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }


def run_onnxruntime(threads: int, repeats: int) -> dict:
    """Seconds of one MatMulNBits, 4 bits, activations quantized to int8 (accuracy_level 4)."""
    import onnxruntime as ort
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    blocks = GEMM_DEPTH // GEMM_GROUP
    weights = random.integers(0, 256, (GEMM_COLUMNS, blocks, GEMM_GROUP // 2), np.uint8)
    scales = random.random((GEMM_COLUMNS * blocks), np.float32)
    node = helper.make_node(
        "MatMulNBits",
        ["x", "w", "s"],
        ["y"],
        domain="com.microsoft",
        K=GEMM_DEPTH,
        N=GEMM_COLUMNS,
        bits=4,
        block_size=GEMM_GROUP,
        accuracy_level=4,
    )
    graph = helper.make_graph(
        [node],
        "gemm",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [GEMM_ROWS, GEMM_DEPTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [GEMM_ROWS, GEMM_COLUMNS])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(scales, "s")],
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    x = random.standard_normal((GEMM_ROWS, GEMM_DEPTH), np.float32)
    times = []
    for _ in range(5 * repeats):
        start = time.perf_counter()
        session.run(None, {"x": x})
        times.append(time.perf_counter() - start)
    return {"gemm": statistics.median(times)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "what", choices=["export", "export-int8", "openvino", "torch", "onnxruntime"]
    )
    parser.add_argument("folders", nargs="*", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    if args.what.startswith("export"):
        export(*args.folders, int8=args.what == "export-int8")
    elif args.what == "torch":
        print(json.dumps(run_torch(*args.folders, args.threads, args.repeats)))
    elif args.what == "openvino":
        print(json.dumps(run_openvino(*args.folders, args.threads, args.repeats)))
    else:
        print(json.dumps(run_onnxruntime(args.threads, args.repeats)))


if __name__ == "__main__":
    main()
