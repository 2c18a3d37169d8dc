"""Nodes that choose the model and a LoRA adapter."""

import pathlib

import uffizi

MODELS = [
    "microsoft/Florence-2-base",
    "microsoft/Florence-2-base-ft",
    "microsoft/Florence-2-large",
    "microsoft/Florence-2-large-ft",
    "HuggingFaceM4/Florence-2-DocVQA",
    "thwri/CogFlorence-2.1-Large",
    "thwri/CogFlorence-2.2-Large",
    "gokaygokay/Florence-2-SD3-Captioner",
    "gokaygokay/Florence-2-Flux-Large",
    "MiaoshouAI/Florence-2-base-PromptGen-v1.5",
    "MiaoshouAI/Florence-2-large-PromptGen-v1.5",
    "MiaoshouAI/Florence-2-base-PromptGen-v2.0",
    "MiaoshouAI/Florence-2-large-PromptGen-v2.0",
    "PJMixers-Images/Florence-2-base-Castollux-v0.5",
    "uffizi-tiny",
]
LORAS = ["NikshepShetty/Florence-2-pixelprose"]


def model_folders():
    """Name -> folder below ComfyUI's models/LLM; empty outside of ComfyUI."""
    try:
        import folder_paths
    except ImportError:
        return {}
    root = pathlib.Path(folder_paths.models_dir) / "LLM"
    roots = [root]
    if "LLM" in getattr(folder_paths, "folder_names_and_paths", {}):
        roots += [pathlib.Path(path) for path in folder_paths.get_folder_paths("LLM")]
    found = {}
    for folder in roots:
        for config in sorted([*folder.glob("*/config.json"), *folder.glob("*/*/config.json")]):
            found.setdefault(str(config.parent.relative_to(folder)), config.parent)
    return found


class Model:
    """A model that is loaded when it is first used, and again after `unload`."""

    def __init__(self, source, precision, lora):
        self._source = str(source)
        self._compute = "int4" if precision == "int4" else "auto"
        self._lora = [] if lora is None else [lora]
        self._loaded = None

    def load(self):
        """The `uffizi.Florence2`."""
        if self._loaded is None:
            self._loaded = uffizi.Florence2.from_pretrained(
                self._source, compute=self._compute, lora=self._lora
            )
        return self._loaded

    def unload(self):
        """Frees its memory."""
        self._loaded = None


def load_inputs(models, default=None):
    """The inputs of both loaders."""
    choice = {"default": default} if default else {}
    return {
        "required": {
            "model": (list(models), choice),
            "precision": (
                ["fp16", "bf16", "fp32", "int4"],
                {
                    "default": "fp16",
                    "tooltip": "int4 is fastest and smallest on CPUs. The others compute in float32, "
                    "whatever the file holds.",
                },
            ),
            "attention": (
                ["flash_attention_2", "sdpa", "eager"],
                {"default": "sdpa", "tooltip": "The answer is the same with any."},
            ),
        },
        "optional": {
            "lora": ("PEFTLORA",),
            "convert_to_safetensors": (
                "BOOLEAN",
                {
                    "default": False,
                    "tooltip": "Weights are read as safetensors only, never pickles.",
                },
            ),
        },
    }


class Loader:
    """What all nodes here share, as ComfyUI reads it."""

    FUNCTION = "loadmodel"
    CATEGORY = "Florence2"


class ModelLoader(Loader):
    """A node that gives a model."""

    RETURN_TYPES = ("FL2MODEL",)
    RETURN_NAMES = ("florence2_model",)


class DownloadAndLoadFlorence2Model(ModelLoader):
    """A model by its name on Hugging Face, from ComfyUI/models/LLM if it is there."""

    @classmethod
    def INPUT_TYPES(cls):
        """The inputs, as ComfyUI expects them."""
        return load_inputs(MODELS, "microsoft/Florence-2-base")

    def loadmodel(self, model, precision, attention, lora=None, convert_to_safetensors=False):
        """The model, downloaded if needed."""
        source = model_folders().get(model.rsplit("/", 1)[-1], model)
        if source == model and model != "uffizi-tiny":
            uffizi.pull(model)
        return (Model(source, precision, lora),)


class Florence2ModelLoader(ModelLoader):
    """A model in a folder of ComfyUI/models/LLM."""

    @classmethod
    def INPUT_TYPES(cls):
        """The inputs, as ComfyUI expects them."""
        return load_inputs(model_folders())

    def loadmodel(self, model, precision, attention, lora=None, convert_to_safetensors=False):
        """The model of a folder, given by name or path."""
        return (Model(model_folders().get(model, model), precision, lora),)


class DownloadAndLoadFlorence2Lora(Loader):
    """A LoRA adapter saved by peft, by its name on Hugging Face."""

    RETURN_TYPES = ("PEFTLORA",)
    RETURN_NAMES = ("lora",)

    @classmethod
    def INPUT_TYPES(cls):
        """The inputs, as ComfyUI expects them."""
        return {"required": {"model": (LORAS,)}}

    def loadmodel(self, model):
        """The adapter's folder."""
        return (str(uffizi.pull(model)),)
