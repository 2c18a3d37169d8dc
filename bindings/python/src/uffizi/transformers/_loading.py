"""Loads models by the arguments of from_pretrained."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from typing import Any

from .._errors import UnsupportedError
from .._model import Florence2

# Arguments of transformers' from_pretrained that change neither files nor answers here.
_WITHOUT_EFFECT = frozenset(
    {
        "trust_remote_code",
        "low_cpu_mem_usage",
        "use_fast",
        "use_safetensors",
        "torch_dtype",
        "dtype",
        "code_revision",
        "ignore_mismatched_sizes",
        "weights_only",
        "resume_download",
    }
)
_CPU_ATTENTION = (None, "eager", "sdpa")


def check_device(arguments: tuple[Any, ...], device: Any) -> None:
    for argument in (*arguments, device):
        if str(argument).split(":")[0] in ("cuda", "mps", "xpu"):
            raise UnsupportedError(f"Uffizi computes on the CPU; there is no device {argument}")


def _check_device_map(device_map: Any) -> None:
    devices = device_map.values() if isinstance(device_map, dict) else [device_map]
    for device in devices:
        if str(device) not in ("None", "auto", "cpu", "balanced", "sequential"):
            raise UnsupportedError(f"device_map: Uffizi computes on the CPU; there is no {device}")


def _check_attention(implementation: Any) -> None:
    if implementation not in _CPU_ATTENTION:
        raise UnsupportedError(
            f"attn_implementation={implementation!r} needs a GPU; leave it out, or say "
            '"eager" or "sdpa": the answers are the same'
        )


_environment_lock = threading.Lock()


@contextlib.contextmanager
def _environment(**values: str | None) -> Iterator[None]:
    """Sets environment variables that downloads read, for one call."""
    wanted = {name: value for name, value in values.items() if value is not None}
    with _environment_lock:
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def load_model(
    name_or_path: str | os.PathLike[str],
    given: dict[str, Any],
    compute: str = "auto",
    revision: str | None = None,
) -> Florence2:
    """Loads the model for a from_pretrained call. Unknown arguments in `given` raise TypeError."""
    _check_attention(given.pop("attn_implementation", None))
    _check_device_map(given.pop("device_map", None))
    offline = given.pop("local_files_only", False)
    token = given.pop("token", given.pop("use_auth_token", None))
    cache = given.pop("cache_dir", None)
    for name in [name for name in given if name in _WITHOUT_EFFECT]:
        del given[name]
    for name, value in given.items():
        if name in ("quantization_config", "load_in_4bit", "load_in_8bit") and value:
            raise UnsupportedError(f'{name}: weights are quantized by compute="int4" here')
        if value is not None and value is not False:
            raise TypeError(f"from_pretrained has no argument {name!r} here")
    with _environment(
        UFFIZI_OFFLINE="1" if offline else None,
        HF_TOKEN=token if isinstance(token, str) else None,
        UFFIZI_CACHE=os.fspath(cache) if cache is not None else None,
        HF_HUB_CACHE=os.fspath(cache) if cache is not None else None,
    ):
        return Florence2.from_pretrained(name_or_path, compute=compute, revision=revision)


class Configuration:
    """A model folder's JSON with its keys as attributes."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        try:
            value = self._values[name]
        except KeyError:
            raise AttributeError(name) from None
        return Configuration(value) if isinstance(value, dict) else value

    def to_dict(self) -> dict[str, Any]:
        """The JSON."""
        return dict(self._values)


def read_configuration(model: Florence2, name: str) -> Configuration:
    try:
        with open(os.path.join(model.info["path"], name), encoding="utf-8") as file:
            return Configuration(json.load(file))
    except FileNotFoundError:
        return Configuration({})


def special_token(model: Florence2, key: str, fallback: int) -> int:
    for name, place in (("generation_config.json", ()), ("config.json", ("text_config",))):
        values = read_configuration(model, name).to_dict()
        for step in place:
            values = values.get(step, {})
        if values.get(key) is not None:
            return int(values[key])
    return fallback
