"""Makes tests/data/text: what the `tokenizers` library says about 20,000 strings.

    python make_text.py SHARED      (tokenizers 0.23, transformers 5, numpy)

SHARED is the folder with golden/hf/tokenizer.json (a tiny tokenizer in transformers' layout) and
golden/florence-2-large (the released one, MIT). Deterministic. Writes

  tiny_tokenizer.json.gz, florence_2_large_tokenizer.json.gz, LICENSE-florence-2-large
  corpus.json.gz      the strings
  tiny.json.gz, large.json.gz
                      for each of the two: `crcs`, a CRC-32 per string over its ids (int32) with and
                      then without special tokens; `ids` in full for the first strings; `decoded`:
                      [ids, text, text without special tokens]
  variants.json.gz    other settings: `patch`, a JSON merge patch (RFC 7396) of the tiny
                      tokenizer.json, and `cases`: [text, ids with, ids without special tokens]
  folders.json.gz     vocab.json and merges.txt of the tiny one with other files beside them, as
                      transformers' RobertaTokenizer reads them; `files` and `cases` as above
  codepoints.json.gz  a CRC-32 per 256 code points of strings with each of them: CodePointText
"""

import gzip
import json
import pathlib
import random
import shutil
import sys
import tempfile
import zlib

import numpy
import tokenizers
from transformers import RobertaTokenizer

from text_corpus import FLORENCE_TOKENS, make_corpus
from tokenizer_variants import added, merge_patch, variant_patches

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "text"
FULL = 250


def load(text):
    """The tokenizer of a tokenizer.json, with the tokens that Florence-2's processor adds."""
    tokenizer = tokenizers.Tokenizer.from_str(text)
    added = {t.content for t in tokenizer.get_added_tokens_decoder().values()}
    missing = [t for t in FLORENCE_TOKENS if t not in added]
    if missing:
        tokenizer.add_special_tokens(missing)
    return tokenizer


def both(tokenizer, text):
    return tokenizer.encode(text).ids, tokenizer.encode(text, add_special_tokens=False).ids


def crc(*lists):
    value = 0
    for ids in lists:
        value = zlib.crc32(numpy.asarray(ids, "<i4").tobytes(), value)
    return value


def save(name, data):
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    (OUT / name).write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(name, (OUT / name).stat().st_size)


def decodings(tokenizer, rng):
    size = max(tokenizer.get_vocab().values()) + 1
    byte_ids = sorted(i for t, i in tokenizer.get_vocab().items() if len(t) == 1)
    out = []
    for _ in range(400):
        ids = []
        for _ in range(rng.randrange(12)):
            kind = rng.randrange(6)
            ids.append(
                rng.choice(byte_ids)
                if kind < 3
                else rng.randrange(6)
                if kind == 3
                else rng.randrange(size + 3)
                if kind == 4
                else size - 1 - rng.randrange(1024)
            )
        out.append(
            [
                ids,
                tokenizer.decode(ids, skip_special_tokens=False),
                tokenizer.decode(ids, skip_special_tokens=True),
            ]
        )
    return out


EXTRA = [
    "the car is the car",
    "carX X car Xcar éX X\u0301",
    "  the  is  is the",
    "<od <od> < od>  x",
    "字 \u3000字a",
    "a b  a b   a bc",
    "<loc_1><loc_2><loc_3>",
    "\u00a0 \u00a0x\u00a0",
    "Ġt t the",
    "far new far",
    "the\u2003car\u2003is\n",
    "fardé  é",
    "the  the",
    "X",
    "X_ X- _X",
    " is is  is",
]


def cases_of(tokenizer, corpus):
    return [[text, *both(tokenizer, text)] for text in EXTRA + corpus[:40] + corpus[100:170]]


def make_variants(tiny, corpus):
    out = []
    for name, patch in variant_patches(tiny).items():
        tokenizer = load(json.dumps(merge_patch(tiny, patch)))
        out.append(
            {
                "name": name,
                "patch": patch,
                "size": max(tokenizer.get_vocab().values()) + 1,
                "cases": cases_of(tokenizer, corpus),
            }
        )
    return out


def make_folders(tiny, corpus):
    florence = {t: 513 + i for i, t in enumerate(FLORENCE_TOKENS)}
    flagged = {"lstrip": True, "rstrip": False, "normalized": False, "single_word": False}
    folders = {
        "bare": {},
        "added_tokens.json": {"added_tokens.json": florence},
        "special_tokens_map.json": {
            "added_tokens.json": {"<new>": 513, "the": 514},
            "special_tokens_map.json": {
                "mask_token": {"content": "<mask>"} | flagged,
                "cls_token": "<new>",
                "sep_token": "</s>",
                "additional_special_tokens": ["the", "car"],
            },
        },
        "tokenizer_config.json": {
            "added_tokens.json": {"<never read>": 513},
            "tokenizer_config.json": {
                "add_prefix_space": True,
                "cls_token": "<s>",
                "sep_token": "<end>",
                "added_tokens_decoder": {
                    "513": {"content": "<end>", "special": True} | flagged,
                    "514": {"content": "car", "special": False} | flagged | {"single_word": True},
                    "512": {"content": "<mask>", "special": True} | flagged,
                },
            },
        },
    }
    out = []
    for name, files in folders.items():
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            (path / "vocab.json").write_text(json.dumps(tiny["model"]["vocab"]))
            merges = "\n".join(" ".join(m) for m in tiny["model"]["merges"])
            (path / "merges.txt").write_text("#version: 0.2\n" + merges + "\n", encoding="utf-8")
            for file, content in files.items():
                (path / file).write_text(json.dumps(content))
            backend = RobertaTokenizer.from_pretrained(folder)._tokenizer
        tokenizer = load(backend.to_str())
        out.append(
            {
                "name": name,
                "files": files,
                "size": max(tokenizer.get_vocab().values()) + 1,
                "cases": cases_of(tokenizer, corpus),
            }
        )
    return out


def code_point_text(first):
    chars = [chr(c) for c in range(first, first + 256) if not 0xD800 <= c < 0xE000]
    return "".join(f"a{c}a1{c}1!{c}! {c} {c}{c}X " for c in chars)


def main():
    golden = pathlib.Path(sys.argv[1]) / "golden"
    OUT.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(golden / "florence-2-large" / "LICENSE", OUT / "LICENSE-florence-2-large")
    corpus = make_corpus()
    save("corpus.json.gz", corpus)
    tiny = json.loads((golden / "hf" / "tokenizer.json").read_text())
    large = json.loads((golden / "florence-2-large" / "tokenizer.json").read_text())
    rng = random.Random(7)
    for name, data, file in (
        ("tiny", tiny, "tiny_tokenizer.json.gz"),
        ("large", large, "florence_2_large_tokenizer.json.gz"),
    ):
        save(file, data)
        tokenizer = load(json.dumps(data))
        pairs = [both(tokenizer, text) for text in corpus]
        save(
            f"{name}.json.gz",
            {
                "crcs": [crc(*p) for p in pairs],
                "ids": pairs[:FULL],
                "decoded": decodings(tokenizer, rng),
            },
        )
    save("variants.json.gz", make_variants(tiny, corpus))
    save("folders.json.gz", make_folders(tiny, corpus))
    single = merge_patch(tiny, {"added_tokens": [added("X", 513, single_word=True)]})
    tokenizer = load(json.dumps(single))
    save(
        "codepoints.json.gz",
        [crc(tokenizer.encode(code_point_text(first)).ids) for first in range(0, 0x110000, 256)],
    )


if __name__ == "__main__":
    main()
