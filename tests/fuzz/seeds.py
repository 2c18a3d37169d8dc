#!/usr/bin/env python3
"""Makes the fuzzers' seeds, small real files, from the tests' data: seeds.py FOLDER."""

import base64
import gzip
import io
import json
import pathlib
import re
import sys
import tarfile
import zipfile

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
OUT = pathlib.Path(sys.argv[1])


def write(target, name, content):
    folder = OUT / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def gunzip(name):
    return gzip.decompress((DATA / name).read_bytes())


def zipped(members, method):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def graphs(artifact):
    """The seeds of ir_xml, and in artifact/ a whole artifact: the tokenizer of this one, smaller graphs."""
    for name in artifact.namelist():
        if name.startswith(("fields/", "metadata/")):
            artifact.extract(name, OUT / "artifact")
    metadata = OUT / "artifact/metadata/part-00000"
    metadata.write_text(metadata.read_text().replace('"size":384', '"size":24'))
    letters = {"text_embedding": b"t", "encoder": b"e", "decoder": b"d", "image_embedding": b"v"}
    for lineage in ("microsoft", "transformers"):
        with zipfile.ZipFile(DATA / f"models/tiny_{lineage}.zip") as small:
            for name, letter in letters.items():
                xml, bin_ = small.read(name + ".xml"), small.read(name + ".bin")
                write(
                    "ir_xml",
                    f"{lineage}_{name}",
                    letter + re.sub(rb">\s+<", b"><", xml) + b"\0" + bin_,
                )
                if lineage == "microsoft":
                    write("artifact", name + ".xml", xml)
                    write("artifact", name + ".bin", bin_)
    write(
        "zip",
        "graph",
        zipped(
            [("text_embedding.xml", xml), ("text_embedding.bin", bin_[:99])], zipfile.ZIP_DEFLATED
        ),
    )


def zips():
    write("zip", "stored", zipped([("a/b", b"text"), ("c/", b"")], zipfile.ZIP_STORED))
    write("zip", "bzip2", zipped([("a", b"text " * 99)], zipfile.ZIP_BZIP2))
    write("zip", "lzma", zipped([("a", b"text " * 99)], zipfile.ZIP_LZMA))


def sequence_files(artifact):
    for name in ("merges/part-00000", "addedTokens/part-00001", "generationConfig/part-00001"):
        content = artifact.read("fields/" + name)
        target_name = name.replace("/", "-")
        write("sequence_file", target_name, content)
        write("sequence_file", target_name + "-stream", content[content.find(b"\xac\xed\0\5") :])


def safetensors():
    config = json.loads((DATA / "quant/config.json").read_text())
    weights = (DATA / "quant/model.safetensors").read_bytes()
    only = {"quantization_config": config["quantization_config"]}
    write("safetensors", "packed", json.dumps(only).encode() + b"\0" + weights)
    header = {"__metadata__": {"format": "pt"}}
    data = b""
    for dtype, size in (("F64", 8), ("F32", 4), ("F16", 2), ("BF16", 2), ("I8", 1)):
        header["a." + dtype] = {
            "dtype": dtype,
            "shape": [2, 3],
            "data_offsets": [len(data), len(data) + 6 * size],
        }
        data += b"\0" * 6 * size
    text = json.dumps(header).encode()
    write("safetensors", "plain", b"{}\0" + len(text).to_bytes(8, "little") + text + data)


def tokenizers():
    whole = json.loads(gunzip("text/tiny_tokenizer.json.gz"))
    text = "a cat <loc_1> and <mask> the dog".encode()
    write("tokenizer_json", "tiny", text + b"\0" + json.dumps(whole).encode())
    model = whole["model"]
    kept = {token: i for token, i in model["vocab"].items() if i < 280}
    merges = [
        pair for pair in model["merges"] if all(part in kept for part in (*pair, "".join(pair)))
    ][:9]
    small = dict(
        whole, added_tokens=whole["added_tokens"][:5], model=dict(model, vocab=kept, merges=merges)
    )
    write("tokenizer_json", "small", text + b"\0" + json.dumps(small).encode())
    files = [
        text,
        b"",
        json.dumps(kept).encode(),
        ("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in merges)).encode(),
        b'{"<x>": 300}',
    ]
    write("tokenizer_json", "files", b"\0".join(files))


def pictures():
    readers = {
        ".bmp": 0,
        ".tga": 1,
        ".ppm": 2,
        ".pgm": 2,
        ".pbm": 2,
        ".pam": 2,
        ".pfm": 2,
        ".qoi": 3,
        ".ico": 4,
        ".tif": 5,
    }
    for picture in [*(DATA / "image").iterdir(), *(DATA / "formats").iterdir()]:
        if picture.is_file() and picture.suffix != ".txt" and picture.stat().st_size < 20_000:
            write("picture", picture.name, picture.read_bytes())
            if picture.suffix in readers:
                write(
                    "small_formats",
                    picture.name,
                    bytes([readers[picture.suffix]]) + picture.read_bytes(),
                )


def videos():
    frame = b"P6\n4 3\n255\n" + bytes(range(36))
    write("video", "frames", frame * 3)
    write("video", "cut", frame + frame[:20])
    write("video", "large", b"P6\n65536 65536\n255\n")
    write("video", "sixteen_bits", b"P6\n4 3\n65535\n" + bytes(72))


def texts():
    for letter, lines in {
        "p": ("all", "3", "1-3,7", "5-"),
        "s": ("2s", "500ms", "1.5", "1m"),
        "t": ("auto", "3x2", "1000", "off"),
        "y": (
            "nc: 2\nnames: [cat, 'a dog']\n",
            'names:\n  0: cat\n  1: "a: dog"\ntrain: x\n',
            "names:\n- cat\n- dog # two\n",
        ),
        "c": ("cat\ndog\n", "\ufeffcat\r\n\r\ndog"),
    }.items():
        for i, line in enumerate(lines):
            write("texts", f"{letter}-{i}", (letter + line).encode())


def requests():
    write(
        "request",
        "head",
        b"hPOST /v1/annotate?x=%41 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
    )
    write(
        "request",
        "head-chunked",
        b"hPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    )
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    asked = {
        "image": "data:image/png;base64," + picture,
        "image_name": "a.png",
        "tasks": ["od", {"task": "<CAPTION_TO_PHRASE_GROUNDING>", "text": "a cat"}],
        "prompts": [{"prompt": "what?", "as": "od"}],
        "options": {"num_beams": 3, "tiles": "auto", "page": 2, "min_score": 0.5, "labels": ["a"]},
    }
    write("request", "json", b"bapplication/json\0" + json.dumps(asked).encode())
    by_address = {"image": "https://example.com/a/b.png?c=d", "tasks": ["ocr"]}
    write("request", "json-address", b"bapplication/json\0" + json.dumps(by_address).encode())
    parts = [
        (b'name="image"; filename="a.png"', b"\x89PNG\r\n"),
        (b'name="task"', b"region_to_ocr"),
        (b'name="region"', b"1,2,30,40"),
        (b'name="prompt"', b"what?"),
        (b'name="as"', b"od"),
        (b'name="options"', b'{"tiles": "3x2"}'),
    ]
    form = b"".join(
        b"--x\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + data + b"\r\n"
        for head, data in parts
    )
    write("request", "form", b'bmultipart/form-data; boundary="x"\0' + form + b"--x--\r\n")
    write(
        "request",
        "label-config",
        b'l<View><Image name="i" value="$image"/><RectangleLabels name="r" toName="i" '
        b'model_score_threshold="0.5"><Label value="Cat" predicted_values="cat,kitten"/></RectangleLabels>'
        b'<TextArea name="t" toName="i" task="ocr"/><Choices name="c" toName="i"><Choice value="x"/></Choices></View>',
    )
    for i, address in enumerate(
        (
            "http://example.com/a.png",
            "https://u:p@[::1]:8080/%41?b#c",
            "http://2130706433/",
            "ftp://a/b",
        )
    ):
        write("request", f"address-{i}", b"a" + address.encode())


def collections():
    picture = min((DATA / "image").glob("*.png"), key=lambda file: file.stat().st_size).read_bytes()
    encoded = base64.b64encode(picture)
    write("collection", "paths", b'cpath,label\na.jpg,"x ""y"""\n\n"b/c.png",\n')
    write("collection", "bytes", b"c\xef\xbb\xbfid;bytes\n1;" + encoded + b"\r\n2;\n")
    write("collection", "uri", b"cimage\tx\ndata:image/png;base64," + encoded + b"\ty\n")
    for name, mode, kind in (
        ("ustar", "w", tarfile.USTAR_FORMAT),
        ("gnu", "w", tarfile.GNU_FORMAT),
        ("pax", "w", tarfile.PAX_FORMAT),
        ("gz", "w:gz", tarfile.PAX_FORMAT),
        ("bz2", "w:bz2", tarfile.GNU_FORMAT),
        ("xz", "w:xz", tarfile.GNU_FORMAT),
    ):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode, format=kind) as archive:
            for member in ("a.png", "d/" + "long" * 20 + "/" + "name" * 20 + "é.png", "d/b.txt"):
                info = tarfile.TarInfo(member)
                info.size = len(picture)
                archive.addfile(info, io.BytesIO(picture))
        write("collection", "tar-" + name, b"t" + buffer.getvalue())


def answers():
    lines = gunzip("tasks/answers.jsonl.gz").decode().strip().split("\n")
    for i, line in enumerate(lines[:: len(lines) // 60]):
        case = json.loads(line)
        write("answers", f"text-{i}", case["text"].encode())
    write(
        "answers",
        "line",
        json.dumps(
            {
                "image": "a.jpg",
                "size": [640, 480],
                "task": "<OD>",
                "text": "cat<loc_1><loc_2><loc_3><loc_4>",
                "location_logprobs": [-1, -0.5, 0, -2],
            }
        ).encode(),
    )
    write("answers", "prompt", b"<REGION_TO_SEGMENTATION><loc_1><loc_2><loc_3><loc_4>")
    write("answers", "numbers", b"1.5,2,300,400")


with zipfile.ZipFile(DATA / "models/florence_2_tiny_int4.zip") as golden:
    graphs(golden)
    sequence_files(golden)
zips()
safetensors()
tokenizers()
pictures()
collections()
videos()
texts()
requests()
answers()
