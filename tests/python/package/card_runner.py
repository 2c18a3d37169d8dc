"""Runs the scripts in cards/, in this Python, on the small model under the names that they ask for."""

import ast
import contextlib
import io
import json
import pathlib
import shutil
import types

CARDS = pathlib.Path(__file__).parent / "cards"
COMMIT = "0123456789" * 4
# As the released models have them.
SEARCH = {"num_beams": 3, "no_repeat_ngram_size": 3, "early_stopping": False, "max_length": 256}


def make_hub(folder, model):
    """A cache as Hugging Face's tools keep it, with the small model under every name of the cards."""
    for script in sorted(CARDS.glob("*.py")):
        for name in names_in(script):
            stored = folder / f"models--{name.replace('/', '--')}"
            snapshot = stored / "snapshots" / COMMIT
            shutil.copytree(model, snapshot)
            file = snapshot / "generation_config.json"
            file.write_text(json.dumps(json.loads(file.read_text()) | SEARCH))
            (stored / "refs").mkdir()
            (stored / "refs" / "main").write_text(COMMIT)


def names_in(script):
    """The names of models in a script; Microsoft's card is the same for all four."""
    (name,) = [
        node.value.value
        for node in ast.parse(script.read_text()).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "name"
    ]
    if not name.startswith("microsoft/"):
        return [name]
    return [f"microsoft/Florence-2-{kind}" for kind in ("base", "base-ft", "large", "large-ft")]


def run_card(code, pictures, modules):
    """What a script prints, line by line. `modules` are those that it imports by these names."""

    def get(url, **_):
        name = url.rsplit("/", 1)[1].split("?")[0]
        return types.SimpleNamespace(raw=(pictures / name).open("rb"))

    modules["requests"] = types.SimpleNamespace(get=get)

    def find(name, *arguments):
        return modules[name] if name in modules else __import__(name, *arguments)

    builtins = {**vars(__import__("builtins")), "__import__": find}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "card", "exec"), {"__builtins__": builtins, "__name__": "card"})
    return [ast.literal_eval(line) for line in printed.getvalue().splitlines()]
