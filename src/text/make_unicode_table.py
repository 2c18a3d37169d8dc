"""Writes unicode_table.inc: the character classes that byte-level BPE distinguishes.

    python make_unicode_table.py > unicode_table.inc

The classes are asked of the `tokenizers` library itself, character by character, so that the table
is that of its regex engines whatever Unicode version Python or the system has (0.23: Unicode 16).
Each entry is the first code point of a range, shifted left by three, plus the range's CharClass.
"""

import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

OTHER, WORD_MARK, LETTER, NUMBER, WORD_NUMBER, SPACE = range(6)


def class_of(char, splitter, marker):
    def one_piece(around):
        return len(splitter.pre_tokenize_str(around + char + around)) == 1

    # `marker` has the single-word token X, which is not found beside a word character.
    is_word = char == "X" or marker.token_to_id("X") not in marker.encode(char + "X").ids
    if one_piece("a"):
        assert is_word
        return LETTER
    if one_piece("1"):
        return WORD_NUMBER if is_word else NUMBER
    if one_piece("!"):
        return WORD_MARK if is_word else OTHER
    assert not is_word
    return SPACE


def main():
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    marker = Tokenizer(models.BPE({}, []))
    marker.add_tokens([AddedToken("X", single_word=True, normalized=False)])
    entries, previous = [], None
    for code in range(0x110000):
        surrogate = 0xD800 <= code < 0xE000  # never part of a string
        kind = OTHER if surrogate else class_of(chr(code), splitter, marker)
        if kind != previous:
            entries.append(f"0x{code << 3 | kind:x},")
            previous = kind
    print(f"// Made by make_unicode_table.py from tokenizers {tokenizers.__version__}.")
    line = ""
    for entry in entries:
        if line and len(line) + 1 + len(entry) > 100:
            print(line)
            line = ""
        line += (" " if line else "") + entry
    print(line)


if __name__ == "__main__":
    sys.exit(main())
