"""Other settings of a tokenizer.json, as JSON merge patches (RFC 7396)."""


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
