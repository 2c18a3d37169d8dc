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
import unicodedata
import zlib

import numpy
import tokenizers
from transformers import RobertaTokenizer

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "text"
COUNT = 20000
FULL = 250

FLORENCE_TOKENS = (
    ["<od>", "</od>", "<ocr>", "</ocr>"]
    + [f"<loc_{i}>" for i in range(1000)]
    + "<cap> </cap> <ncap> </ncap> <dcap> </dcap> <grounding> </grounding> <seg> </seg> <sep> "
    "<region_cap> </region_cap> <region_to_desciption> </region_to_desciption> <proposal> "
    "</proposal> <poly> </poly> <and>".split()
)

WORDS = (
    "What is the text in image with regions Locate objects category name Describe detail shown a "
    "paragraph their descriptions phrases caption turquoise car door dog's I'll they've we're it'd "
    "I'm can't DON'T It's 'tis rock'n'roll ''s 're'll 'LL x'sy naïve café Straße ĳ ﬁne Ünïcödé"
).split()
SPACES = [
    chr(c)
    for c in (
        9,
        10,
        11,
        12,
        13,
        0x20,
        0x85,
        0xA0,
        0x1680,
        0x180E,
        *range(0x2000, 0x2010),
        0x2028,
        0x2029,
        0x202F,
        0x205F,
        0x2060,
        0x3000,
        0xFEFF,
        0x1C,
        0x1F,
    )
]
EMOJI = [
    "\U0001f600",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
    "\U0001f44d\U0001f3fd",
    "\U0001f1e9\U0001f1ea",
    "1\ufe0f\u20e3",
    "\u2764\ufe0f\u200d\U0001f525",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "\u00a9\ufe0f",
    "\U0001fae0",
    "\U0001f9d1\U0001f3ff\u200d\U0001f680",
]
NUMBERS = [
    "0",
    "42",
    "3.14159",
    "1,000,000",
    "½",
    "²",
    "Ⅷ",
    "٣٤٥",
    "९८",
    "①",
    "𝟘𝟙",
    "1e-5",
    "0x1F",
    "50%",
]


def assigned_blocks():
    """The assigned characters in runs of 32 code points: some of every script."""
    blocks = []
    for start in range(0x20, 0x110000, 32):
        block = [
            chr(c)
            for c in range(start, start + 32)
            if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")
        ]
        if (
            block
            and not 0x3400 < start < 0xD7A0
            and not 0x17000 < start < 0x18D00
            and not 0x20000 < start < 0x32000
        ):
            blocks.append(block)
    # A few of the long regular ranges (Han, Hangul, Tangut, ...).
    for start in (
        0x3400,
        0x4E00,
        0x5B57,
        0x9FA0,
        0xA000,
        0xAC00,
        0xD000,
        0x17000,
        0x20000,
        0x30000,
    ):
        blocks.append([chr(c) for c in range(start, start + 32)])
    return blocks


def special_text(rng):
    token = rng.choice(FLORENCE_TOKENS + ["<s>", "</s>", "<pad>", "<unk>", "<mask>"] * 40)
    kind = rng.randrange(8)
    if kind == 0:
        return token[: rng.randrange(1, len(token) + 1)]
    if kind == 1:
        return token[rng.randrange(len(token)) :]
    if kind == 2:
        return token.upper()
    if kind == 3:
        return "<" + token + ">"
    if kind == 4:
        return f"<loc_{rng.choice(['', '00', '1000', '12 ', '7', '-1', '99'])}>"
    return token


def piece(rng, blocks):
    kind = rng.randrange(12)
    if kind < 3:
        return rng.choice(WORDS)
    if kind == 3:
        return special_text(rng)
    if kind == 4:
        return rng.choice(EMOJI)
    if kind == 5:
        return "".join(rng.choice(SPACES) for _ in range(rng.randrange(1, 4)))
    if kind == 6:
        return rng.choice(NUMBERS)
    if kind == 7:
        return rng.choice("!?.,;:'\"()[]{}<>/\\|@#$%^&*-_=+~`") * rng.randrange(1, 4)
    if kind == 8:
        return "".join(
            chr(rng.choice((rng.randrange(0x20), 0x7F + rng.randrange(0x21))))
            for _ in range(rng.randrange(1, 3))
        )
    block = rng.choice(blocks)
    return "".join(rng.choice(block) for _ in range(rng.randrange(1, 6)))


def make_corpus():
    rng = random.Random(20240607)
    blocks = assigned_blocks()
    corpus = [
        "",
        " ",
        "  ",
        "\n",
        "'",
        "'s",
        " 's",
        "\u0000",
        "\U0010ffff",
        "\ufffd",
        "<",
        "<<s>",
        "<s></s>",
        " <mask> ",
        "a <mask>",
        "\t\u00a0<mask>\u3000b",
        "<od><od>",
        "<loc_1",
        "</",
        "What does the image describe?",
        "Locate the phrases in the caption: A green car.",
    ]
    corpus += [
        "x" * 300,
        " " * 257,
        "\n\t" * 99 + "x",
        "ab" * 400,
        "!" * 301,
        "1" * 333,
        "é" * 200,
        "\U0001f600" * 90,
        "'s" * 99,
        "<loc_5>" * 50,
        "a " * 200,
        "\u3000" * 64 + "字",
        "<" * 99,
    ]
    corpus += ["".join(block) for block in blocks[::9]]
    while len(corpus) < COUNT:
        text = ""
        for _ in range(min(1 + int(rng.expovariate(0.5)), 9)):
            text += rng.choice(["", "", " "]) + piece(rng, blocks)
        corpus.append(text)
    rest = corpus[40:]
    rng.shuffle(rest)
    return corpus[:40] + rest


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


def merge_patch(target, patch):
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = merge_patch(target.get(key), value)
    return target


def added(content, index, special=False, **flags):
    return {
        "id": index,
        "content": content,
        "special": special,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": not special,
    } | flags


def variant_patches(tiny):
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": True,
    }
    used = "".join("".join(m) for m in tiny["model"]["merges"])
    unused = [t for t in tiny["model"]["vocab"] if len(t) == 1 and t not in used]
    without = {token: None for token in unused[::2]}
    named = tiny["added_tokens"][:5]
    flags = [
        added("car", 600, single_word=True),
        added("the", 601, lstrip=True, rstrip=True),
        added("X", 602, single_word=True, normalized=False),
        added("<", 603, special=True),
        added("<od", 604, rstrip=True),
        added(" is", 605, normalized=False, lstrip=True),
        added("字", 606, special=True, rstrip=True),
        added("é", 607),
        added("a b", 608),
        added("  ", 609, normalized=False),
        added("<loc_1><loc_2>", 610, normalized=False),
        added("\u00a0", 611, normalized=True, lstrip=True),
        added("Ġt", 612, special=True),
    ]
    template = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}},
            {"SpecialToken": {"id": "x", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "</s>", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {
            "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
            "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]},
            "x": {"id": "x", "ids": [7, 8], "tokens": ["y", "z"]},
        },
    }
    bert = {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]}
    return {
        "prefix space": {"pre_tokenizer": byte_level | {"add_prefix_space": True}},
        "no pattern": {"pre_tokenizer": byte_level | {"use_regex": False}},
        "sequence of one": {
            "pre_tokenizer": {
                "type": "Sequence",
                "use_regex": None,
                "add_prefix_space": None,
                "trim_offsets": None,
                "pretokenizers": [byte_level],
            },
            "decoder": {
                "type": "Sequence",
                "add_prefix_space": None,
                "use_regex": None,
                "trim_offsets": None,
                "decoders": [byte_level],
            },
        },
        "template": {
            "post_processor": template
            | {"sep": None, "cls": None, "trim_offsets": None, "add_prefix_space": None}
        },
        "bert": {"post_processor": bert | {"trim_offsets": None, "add_prefix_space": None}},
        "no processor": {"post_processor": None},
        "byte-level processor": {"post_processor": byte_level | {"sep": None, "cls": None}},
        "sequence of processors": {
            "post_processor": {
                "type": "Sequence",
                "sep": None,
                "cls": None,
                "trim_offsets": None,
                "add_prefix_space": None,
                "processors": [byte_level, template],
            }
        },
        "missing bytes": {"model": {"vocab": without}},
        "unknown": {"model": {"vocab": without, "unk_token": "<unk>"}},
        "fused unknown": {"model": {"vocab": without, "unk_token": "<unk>", "fuse_unk": True}},
        "ignore merges": {"model": {"ignore_merges": True, "merges": tiny["model"]["merges"][40:]}},
        "string merges": {"model": {"merges": [" ".join(m) for m in tiny["model"]["merges"]]}},
        "merges shuffled": {"model": {"merges": tiny["model"]["merges"][::-1]}},
        "flags": {"added_tokens": named + flags},
        "flags with prefix space": {
            "added_tokens": flags + named,
            "pre_tokenizer": byte_level | {"add_prefix_space": True},
        },
        "no added tokens": {"added_tokens": []},
        "sparse vocabulary": {
            "model": {"vocab": without | {"far": 9000}},
            "added_tokens": [added("far", 9000), added("new", 9001), added("<od>", 9002, True)],
        },
    }


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
