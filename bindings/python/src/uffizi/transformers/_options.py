"""Search options by transformers' names, and those that are not supported."""

from __future__ import annotations

from typing import Any

from .._errors import UnsupportedError
from .._model import Florence2
from ._loading import read_configuration, special_token

# Of generate and of a GenerationConfig: what changes no answer. A cache of keys and values is always
# used, and gives the ids that none gives; rows of a batch have their own length.
_NO_MATTER = frozenset({"use_cache", "pad_token_id", "transformers_version", "_from_model_config"})
# Values set by the model's own files; no others are supported.
_OF_THE_MODEL = (
    "bos_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
)


# What generate() gives; all that is not False by itself is refused by name.
_FORMS = {
    "return_dict_in_generate": (True, False),
    "output_scores": (True, False),
    "output_logits": (False,),
    "output_attentions": (False,),
    "output_hidden_states": (False,),
}


def take_form(given: dict[str, Any]) -> dict[str, bool]:
    """Removes the options that set the form of generate()'s answer."""
    form = {}
    for name, known in _FORMS.items():
        value = given.pop(name, None) or False
        if value not in known:
            raise UnsupportedError(f"{name}={value!r} is not supported")
        form[name] = value
    return form


def search_options(model: Florence2, given: dict[str, Any]) -> dict[str, Any]:
    """The options for the search. Others raise if they would change the answer."""
    kept = {name: value for name, value in given.items() if name not in _NO_MATTER}
    for name in _OF_THE_MODEL:
        value = kept.pop(name, None)
        if value is not None and value != special_token(model, name, value):
            raise UnsupportedError(f"{name}: set by the model's files; {value} is not supported")
    if kept.pop("num_return_sequences", 1) != 1:
        raise UnsupportedError("num_return_sequences: only 1 is supported")
    if kept.get("do_sample") and kept.get("num_beams") is None:
        # With transformers the files' beams hold for sampling, too.
        beams = read_configuration(model, "generation_config.json").to_dict().get("num_beams")
        kept["num_beams"] = beams
    return kept


def options_of(config: Any) -> dict[str, Any]:
    """The options that a GenerationConfig, a similar object or a dict sets."""
    if config is None:
        return {}
    if isinstance(config, dict):
        values = config
    elif hasattr(config, "to_diff_dict"):
        values = config.to_diff_dict()
    else:
        values = config.to_dict() if hasattr(config, "to_dict") else vars(config)
    return {name: value for name, value in values.items() if value is not None}
