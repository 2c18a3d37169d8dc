"""The strings with which make_text.py tries tokenizers."""

import random
import unicodedata

COUNT = 20000

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
