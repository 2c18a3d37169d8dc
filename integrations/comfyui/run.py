"""The node that asks a model about pictures."""

import copy
import re

import numpy as np
import torch

TASKS = {
    "region_caption": "<OD>",
    "dense_region_caption": "<DENSE_REGION_CAPTION>",
    "region_proposal": "<REGION_PROPOSAL>",
    "caption": "<CAPTION>",
    "detailed_caption": "<DETAILED_CAPTION>",
    "more_detailed_caption": "<MORE_DETAILED_CAPTION>",
    "caption_to_phrase_grounding": "<CAPTION_TO_PHRASE_GROUNDING>",
    "referring_expression_segmentation": "<REFERRING_EXPRESSION_SEGMENTATION>",
    "ocr": "<OCR>",
    "ocr_with_region": "<OCR_WITH_REGION>",
    "docvqa": "<DocVQA>",
    "prompt_gen_tags": "<GENERATE_TAGS>",
    "prompt_gen_mixed_caption": "<MIXED_CAPTION>",
    "prompt_gen_analyze": "<ANALYZE>",
    "prompt_gen_mixed_caption_plus": "<MIXED_CAPTION_PLUS>",
}
TASKS_WITH_TEXT = (
    "caption_to_phrase_grounding",
    "referring_expression_segmentation",
    "docvqa",
)
# With answers of these only, `fill_mask` decides whether there is a mask.
BOX_TASKS = (
    "region_caption",
    "dense_region_caption",
    "region_proposal",
    "caption_to_phrase_grounding",
)
NO_PICTURE = (1, 64, 64, 3)  # of tasks that draw nothing


def question(task, text):
    """The question for the model."""
    token = TASKS[task]
    if text and task not in TASKS_WITH_TEXT:
        raise ValueError(f"{task} takes no text_input; these do: {', '.join(TASKS_WITH_TEXT)}")
    if task in TASKS_WITH_TEXT and not text:
        raise ValueError(f"{task} needs a text_input")
    if task == "docvqa":
        return f"{token} {text}"
    return (token, text) if text else token


def caption(task, result):
    """The answer as text: with region tasks, labels and their locations as the model wrote them."""
    if task == "ocr_with_region":
        return re.sub(r"\n+", "\n", re.sub(r"<[^>]*>", "\n", result.text))
    return re.sub(r"</?s>|<pad>", "", result.text)


def data(task, result):
    """The entries that one picture adds to the JSON."""
    if task == "ocr_with_region":
        scale = (result.width, result.height)
        return [
            {"label": region.label, "box": [n / scale[i % 2] for i, n in enumerate(region.quad)]}
            for region in result.regions
        ]
    if task == "caption_to_phrase_grounding":
        return [result.answer]
    if task in BOX_TASKS:
        return [result.answer["bboxes"]]
    return []


def mask(result, select):
    """[height, width] f32, 1 in the selected regions: by number or label, all if none are named."""
    wanted = [name.strip() for name in select.split(",") if name.strip()]
    chosen = [
        not wanted or str(i) in wanted or region.label in wanted
        for i, region in enumerate(result.regions)
    ]
    return result.masks()[chosen].any(axis=0).astype(np.float32)


def drawing(result):
    """The picture with the regions and their numbers, [height, width, 3] f32."""
    numbered = copy.deepcopy(result)
    for i, region in enumerate(numbered.regions):
        region.label = f"{i}.{region.label}"
    return np.asarray(numbered.draw(), np.float32) / 255


class Florence2Run:
    """Asks about each picture of a batch."""

    RETURN_TYPES = ("IMAGE", "MASK", "STRING", "JSON")
    RETURN_NAMES = ("image", "mask", "caption", "data")
    FUNCTION = "encode"
    CATEGORY = "Florence2"

    @classmethod
    def INPUT_TYPES(cls):
        """The inputs, as ComfyUI expects them."""
        return {
            "required": {
                "image": ("IMAGE",),
                "florence2_model": ("FL2MODEL",),
                "text_input": ("STRING", {"default": "", "multiline": True}),
                "task": (list(TASKS),),
                "fill_mask": ("BOOLEAN", {"default": True}),
            },
            "optional": {
                "keep_model_loaded": ("BOOLEAN", {"default": False}),
                "max_new_tokens": ("INT", {"default": 1024, "min": 1, "max": 4096}),
                "num_beams": ("INT", {"default": 3, "min": 1, "max": 64}),
                "do_sample": ("BOOLEAN", {"default": True}),
                "output_mask_select": ("STRING", {"default": ""}),
                "seed": ("INT", {"default": 1, "min": 1, "max": 0xFFFFFFFFFFFFFFFF}),
            },
        }

    def encode(
        self,
        image,
        text_input,
        florence2_model,
        task,
        fill_mask,
        keep_model_loaded=False,
        num_beams=3,
        max_new_tokens=1024,
        do_sample=True,
        output_mask_select="",
        seed=None,
    ):
        """image: [n, height, width, 3] f32, 0 to 1. Returns the drawn pictures in the same form, masks
        [n, height, width], the answers' text (a list if n is over 1) and their data."""
        asked = question(task, text_input)
        pixels = (image[..., :3].clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        results = florence2_model.load()(
            list(pixels),
            asked,
            num_beams=num_beams,
            max_new_tokens=max_new_tokens,
            do_sample=do_sample,
            seed=(seed or 0) & 0x7FFFFFFFFFFFFFFF,
        )
        if not keep_model_loaded:
            florence2_model.unload()
        drawn, masks = torch.zeros(NO_PICTURE), torch.zeros(NO_PICTURE[:3])
        if results[0].shape != "text":
            drawn = torch.from_numpy(np.stack([drawing(result) for result in results]))
            if fill_mask or task not in BOX_TASKS:
                found = [mask(result, output_mask_select) for result in results]
                masks = torch.from_numpy(np.stack(found))
        elif task == "docvqa":
            drawn = image[..., :3].float().cpu()
        texts = [caption(task, result) for result in results]
        entries = [entry for result in results for entry in data(task, result)]
        return drawn, masks, texts[0] if len(texts) == 1 else texts, entries
