"""Florence-2 scripts written for transformers, with only the imports changed.

    from uffizi.transformers import AutoModelForCausalLM, AutoProcessor

These classes take the calls of the model cards' samples and give what transformers gives. With
`return_tensors="pt"` or "np" the processor's output, and then `generate`'s, are tensors of that
library. PyTorch is not needed: where it is not installed, as without `return_tensors`, ids are lists
of int and pictures stay pictures. An argument that would change the answer and cannot be honoured is
refused by name. New code is shorter with `uffizi.Florence2`.
"""

from ._model import AutoModelForCausalLM
from ._processor import AutoProcessor

#: transformers' own names of the classes.
Florence2ForConditionalGeneration = AutoModelForCausalLM
AutoModelForImageTextToText = AutoModelForCausalLM
Florence2Processor = AutoProcessor

__all__ = [
    "AutoModelForCausalLM",
    "AutoModelForImageTextToText",
    "AutoProcessor",
    "Florence2ForConditionalGeneration",
    "Florence2Processor",
]
