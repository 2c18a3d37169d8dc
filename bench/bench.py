"""Compares Uffizi with OpenVINO and ONNX Runtime on Florence-2-large's sizes with random weights,
all in turn, several times, on the same cores. `./run bench` prepares what it needs.

    python bench.py --build BUILD --work FOLDER [--openvino-build BUILD] [--threads N] [--rounds N]
                    [--isa avx2|avx2_vnni|avx3_dl]
                    [--json FILE]
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
TOKENS = 50
GEMM = "INT4 GEMM 2304 x 4096 x 1024"
GOALS = {  # times faster than the peer; GB and seconds at most
    "avx2": {
        "vision encoder": 3.0,
        "text encoder": 3.0,
        "decoder, a token": 2.0,
        "picture, one task": 3.0,
        "picture, three tasks": 6.0,
        "INT4 GEMM 2304 x 4096 x 1024": 2.5,
    },
    "avx2_vnni": {
        "vision encoder": 3.0,
        "text encoder": 3.0,
        "decoder, a token": 2.0,
        "picture, one task": 3.0,
        "picture, three tasks": 6.0,
        "INT4 GEMM 2304 x 4096 x 1024": 2.5,
    },
    "amx": {
        "vision encoder": 3.0,
        "text encoder": 3.0,
        "decoder, a token": 3.0,
        "picture, one task": 3.0,
        "picture, three tasks": 6.0,
        "INT4 GEMM 2304 x 4096 x 1024": 2.5,
    },
    "avx512_vnni": {
        "vision encoder": 2.0,
        "text encoder": 1.5,
        "decoder, a token": 1.5,
        "picture, one task": 2.0,
        "picture, three tasks": 3.0,
        "INT4 GEMM 2304 x 4096 x 1024": 1.3,
    },
}
LIMITS = {"peak memory": 0.8, "load": 1.0}
STAGES = {
    "vision encoder": "vision",
    "text encoder": "encoder",
    "decoder, a token": "token",
    "picture, one task": "picture",
}
RESOURCES = {"peak memory": ("peak_gb", "GB"), "load": ("load", "s")}
OPENVINO = ("--engine", "openvino")
LARGE = json.loads((HERE / "large.json").read_text())


def run(command, **options) -> tuple[str, float, float]:
    """Standard output, seconds, and peak resident GB of a process."""
    start = time.perf_counter()
    child = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, **options)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))} failed")
    return out.decode(), time.perf_counter() - start, usage.ru_maxrss * 1024 / 1e9


def make_models(build: pathlib.Path, work: pathlib.Path, source: pathlib.Path) -> None:
    large, quantized, ir = work / "large", work / "large-int4", work / "ir"
    if not (ir / "decoder.xml").exists():
        large.mkdir(parents=True, exist_ok=True)
        (large / "config.json").write_text(json.dumps(LARGE))
        size = {"size": {"height": 768, "width": 768}, "resample": 3}
        (large / "preprocessor_config.json").write_text(json.dumps(size))
        for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
            shutil.copy(source / "models" / "uffizi-tiny" / name, large / name)
        print("making a model of random weights", file=sys.stderr)
        run([build / "bin" / "make_random_model", large])
        print("exporting it to OpenVINO's INT4", file=sys.stderr)
        run([sys.executable, HERE / "peers.py", "export", large, ir])
    int8 = work / "ir-int8"
    if not (int8 / "decoder.xml").exists():
        print("exporting it to OpenVINO with encoders in INT8", file=sys.stderr)
        run([sys.executable, HERE / "peers.py", "export-int8", large, int8])
    if not (quantized / "config.json").exists():
        print("quantizing it", file=sys.stderr)
        shutil.rmtree(quantized, ignore_errors=True)
        run([build / "bin" / "uffizi", "quantize", large, quantized], stderr=subprocess.DEVNULL)


def make_artifact(build: pathlib.Path, work: pathlib.Path) -> pathlib.Path:
    """The model in the form that Spark NLP has it in, also imported into the cache."""
    artifact = work / "artifact"
    if not (artifact / "assets" / "tokenizer.json").exists():
        print("exporting it as Spark NLP's artifact", file=sys.stderr)
        run([sys.executable, HERE / "artifact.py", work / "large", artifact])
    run([build / "bin" / "uffizi", "info", artifact, *OPENVINO])
    return artifact


def measure_uffizi(build, model, pictures, threads, *engine) -> dict:
    """Times of the second of two pictures, since the peer has also answered once before it is timed."""
    command = [
        build / "bin" / "uffizi",
        "annotate",
        *pictures,
        "--model",
        model,
        *engine,
        "--threads",
        threads,
        "--workers",
        1,
        "--batch",
        1,
        "--format",
        "jsonl",
        "--beams",
        1,
        "--no-repeat-ngram",
        0,
        "--forced-bos",
        "off",
        "--min-length",
        TOKENS + 1,
        "--max-length",
        TOKENS + 1,
    ]
    out, _, peak = run([*command, "--task", "od"])
    answer = json.loads(out.splitlines()[-1])
    timings = answer["timings"]
    tasks = ["--task", "od", "--task", "caption", "--task", "ocr"]
    out, _, _ = run([*command, *tasks])
    three = [json.loads(line)["timings"] for line in out.splitlines()[-3:]]
    _, load, _ = run([build / "bin" / "uffizi", "info", model, *engine])
    return {
        "vision": timings["vision_encoder"],
        "encoder": timings["text_encoder"],
        "token": timings["decoder"] / len(answer["token_ids"]),
        "picture": timings["total"],
        # Tasks on one picture are decoded together: each reports the time of all.
        "three": sum(t["total"] - t["decoder"] for t in three) + max(t["decoder"] for t in three),
        "peak_gb": peak,
        "load": load,
    }


def measure_gemm(build, threads) -> float:
    out, _, _ = run(
        [
            build / "bin" / "kernels_bench",
            "--benchmark_format=json",
            "--benchmark_filter=MatMulQuantized/rows:2304/n:4096/k:1024/bits:4/free:0",
            "--benchmark_min_time=1",
        ],
        env=os.environ | {"UFFIZI_THREADS": str(threads)},
        stderr=subprocess.DEVNULL,
    )
    entry = json.loads(out)["benchmarks"][0]
    return entry["real_time"] * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}[entry["time_unit"]]


def operations() -> dict:
    """Of the matrix products of one picture and one question of 14 tokens, two for each product of numbers."""
    vision, text = LARGE["vision_config"], LARGE["text_config"]
    side, channels, total = 768, 3, 0
    for dim, depth, patch, stride in zip(
        *(vision[key] for key in ("embed_dim", "depths", "patch_size", "patch_stride"))
    ):
        side //= stride
        # Two blocks a depth, of qkv (3), projection (1) and an MLP four times as wide (8).
        total += side * side * dim * (patch * patch * channels + 2 * depth * 12 * dim)
        channels = dim
    width, tokens = text["d_model"], side * side + 1
    total += tokens * channels * width
    encoder = (
        (tokens + 14) * width * width * (text["encoder_layers"] * 12 + text["decoder_layers"] * 2)
    )
    return {"vision encoder": 2 * total, "text encoder": 2 * encoder, GEMM: 2 * 2304 * 4096 * 1024}


def token_bytes() -> float:
    """What a decoder step of one row reads: 4-bit layers, the 8-bit output layer, 8-bit keys and values."""
    text = LARGE["text_config"]
    width, layers = text["d_model"], text["decoder_layers"]
    return (
        layers * 14 * width * width * 4.13 / 8
        + text["vocab_size"] * width
        + layers * 2 * 591 * width
    )


def measure_limit(build, threads) -> dict:
    """Operations and bytes per second that the instructions and the memory allow at this moment."""
    limit = json.loads(run([build / "bin" / "product_share", "--limit", threads])[0])
    return {
        "operations": limit["limit_gop_s"] * 1e9,
        "bytes": limit["read_gb_s"] * 1e9,
        "target": limit["target"],
    }


ISA_NAMES = {
    "AMX": "amx",
    "AVX3_DL": "avx512_vnni",
    "AVX3_ZEN4": "avx512_vnni",
    "AVX2_VNNI": "avx2_vnni",
    "AVX2": "avx2",
}
# What oneDNN, and with it OpenVINO, is held to.
PEER_ISA = {"avx2": "AVX2", "avx2_vnni": "AVX2_VNNI", "avx3_dl": "AVX512_CORE_VNNI"}


def machine() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{line.split(':')[1].strip()}, {os.cpu_count()} cores"
    return platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument(
        "--openvino-build",
        type=pathlib.Path,
        help="a build with the OpenVINO engine, to measure it as well",
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument(
        "--isa",
        choices=PEER_ISA,
        help="restrict Uffizi and OpenVINO (from Python) to this instruction set",
    )
    parser.add_argument("--avx2", action="store_const", const="avx2", dest="isa", help="--isa avx2")
    args = parser.parse_args()
    if args.isa:
        os.environ |= {"UFFIZI_TARGET": args.isa, "ONEDNN_MAX_CPU_ISA": PEER_ISA[args.isa]}
        args.openvino_build = None  # its engine takes what the processor has
    source = HERE.parent
    make_models(args.build, args.work, source)
    if args.openvino_build:
        os.environ["UFFIZI_CACHE"] = str((args.work / "cache").resolve())
        artifact = make_artifact(args.openvino_build, args.work)
    pictures = [source / "samples" / name for name in ("village.jpg", "shop.jpg")]
    peers = [sys.executable, HERE / "peers.py"]
    ours, openvino, int8, torch, engine, onnx, gemm, limits = [], [], [], [], [], [], [], []
    for i in range(args.rounds):
        print(f"round {i + 1} of {args.rounds}", file=sys.stderr)
        # The limit before and after: its mean is that of the time between, as far as that can be known.
        before = measure_limit(args.build, args.threads)
        ours.append(measure_uffizi(args.build, args.work / "large-int4", pictures, args.threads))
        if not args.isa:
            gemm.append(measure_gemm(args.build, args.threads))
        after = measure_limit(args.build, args.threads)
        limits.append({key: (before[key] + after[key]) / 2 for key in ("operations", "bytes")})
        threads = ["--threads", args.threads, "--repeats", 1]
        openvino.append(json.loads(run([*peers, "openvino", args.work / "ir", *threads])[0]))
        if args.openvino_build:
            engine.append(
                measure_uffizi(args.openvino_build, artifact, pictures, args.threads, *OPENVINO)
            )
        int8.append(json.loads(run([*peers, "openvino", args.work / "ir-int8", *threads])[0]))
        if args.isa:
            continue
        torch.append(json.loads(run([*peers, "torch", args.work / "large", *threads])[0]))
        onnx.append(json.loads(run([*peers, "onnxruntime", *threads])[0])["gemm"])

    def median(rounds, key):
        return statistics.median(r[key] for r in rounds)

    def share(name, rounds, key):
        """The share of what the instructions, or for a token the memory, allowed in the same rounds."""
        if name == "decoder, a token":
            shares = [token_bytes() / r[key] / limit["bytes"] for r, limit in zip(rounds, limits)]
        elif name in operations():
            shares = [
                operations()[name] / r[key] / limit["operations"]
                for r, limit in zip(rounds, limits)
            ]
        else:
            return None
        return round(statistics.median(shares), 3)

    isa = ISA_NAMES.get(before["target"], before["target"].lower())
    goals = GOALS.get(isa, {})
    rows = []

    def add(name, uffizi, peer, peer_name, unit, goal=None, share=None):
        rows.append(
            {
                "name": name,
                "uffizi": round(uffizi, 4),
                "peer": round(peer, 4),
                "peer_name": peer_name,
                "unit": unit,
                "ratio": round(peer / uffizi, 3),
                "goal": goal,
                "share": share,
            }
        )

    for name, key in STAGES.items():
        add(
            name,
            median(ours, key),
            median(openvino, key),
            "OpenVINO INT4",
            "s",
            goals.get(name),
            share(name, ours, key),
        )
        add(name, median(ours, key), median(int8, key), "OpenVINO INT8", "s")
        if torch:
            add(name, median(ours, key), median(torch, key), "PyTorch bfloat16", "s")
    add(
        "picture, three tasks",
        median(ours, "three"),
        3 * median(openvino, "picture"),
        "OpenVINO INT4, three times",
        "s",
        goals.get("picture, three tasks"),
    )
    if gemm:
        add(
            GEMM,
            statistics.median(gemm),
            statistics.median(onnx),
            "ONNX Runtime MatMulNBits",
            "s",
            goals.get(GEMM),
            share(GEMM, [{"gemm": seconds} for seconds in gemm], "gemm"),
        )
    for name, (key, unit) in RESOURCES.items():
        add(name, median(ours, key), median(openvino, key), "OpenVINO INT4", unit, LIMITS[name])
    if engine:
        for name, key in (STAGES | {"picture, three tasks": "three"}).items():
            add(name, median(ours, key), median(engine, key), "OpenVINO engine", "s")
        for name, (key, unit) in RESOURCES.items():
            add(name, median(ours, key), median(engine, key), "OpenVINO engine", unit)

    print(f"{machine()}, {isa}, {args.threads} threads, medians of {args.rounds} rounds")
    print(
        "share: of the operations, for a token of the bytes, that this machine allowed in the same rounds"
    )
    print(f"{'':<30} {'uffizi':>9} {'peer':>9}    {'ratio':>6}  share  goal")
    for row in rows:
        goal = row["goal"] or ""
        if goal:
            goal = f"{goal} {row['unit']} at most" if row["name"] in LIMITS else f"{goal}x"
        print(
            f"{row['name']:<30} {row['uffizi']:>9.3f} {row['peer']:>9.3f} {row['unit']:<3}"
            f"{row['ratio']:>5.2f}x  {row['share'] or '':<5}  {goal}  ({row['peer_name']})"
        )
    if args.json:
        report = {"machine": machine(), "isa": isa, "limits": limits, "rows": rows}
        args.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
