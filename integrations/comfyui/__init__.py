"""Florence-2 nodes for ComfyUI that run on the CPU. ComfyUI loads this folder as a package."""

from .loaders import (
    DownloadAndLoadFlorence2Lora,
    DownloadAndLoadFlorence2Model,
    Florence2ModelLoader,
)
from .run import Florence2Run

#: The names that workflows made for ComfyUI-Florence2 ask for.
NODE_CLASS_MAPPINGS = {
    node.__name__: node
    for node in (
        DownloadAndLoadFlorence2Model,
        DownloadAndLoadFlorence2Lora,
        Florence2ModelLoader,
        Florence2Run,
    )
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "DownloadAndLoadFlorence2Model": "Florence-2 by name (Uffizi)",
    "DownloadAndLoadFlorence2Lora": "Florence-2 LoRA by name (Uffizi)",
    "Florence2ModelLoader": "Florence-2 from models/LLM (Uffizi)",
    "Florence2Run": "Florence-2 run (Uffizi)",
}
__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
