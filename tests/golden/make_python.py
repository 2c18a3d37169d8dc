#!/usr/bin/env python3
"""Makes tests/data/python/answers.json: the Florence-2 model card's sample run in transformers on the
bundled model.

    python tests/golden/make_python.py [--print]

Needs torch and transformers. With --print the result goes to standard output instead. The file names
the weights that it was made with; after a change of models/uffizi-tiny it must be made again.
"""

import hashlib
import json
import pathlib
import sys

import torch
from PIL import Image
from transformers import AutoProcessor, Florence2ForConditionalGeneration

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "uffizi-tiny"
OUT = ROOT / "tests" / "data" / "python" / "answers.json"
PICTURES = ["aquarium.png", "village.jpg"]  # of samples/
PROMPTS = [
    "<CAPTION>",
    "<MORE_DETAILED_CAPTION>",
    "<OD>",
    "<DENSE_REGION_CAPTION>",
    "<REGION_PROPOSAL>",
    "<OCR>",
    "<OCR_WITH_REGION>",
    "<CAPTION_TO_PHRASE_GROUNDING>a dog and a house",
    "<REFERRING_EXPRESSION_SEGMENTATION>the house",
    "<OPEN_VOCABULARY_DETECTION>umbrella",
    "<REGION_TO_CATEGORY><loc_186><loc_298><loc_456><loc_768>",
    "<REGION_TO_DESCRIPTION><loc_186><loc_298><loc_456><loc_768>",
]
# What a released checkpoint's processor_config.json names; ours names none.
KINDS = [
    "ocr",
    "phrase_grounding",
    "pure_text",
    "description_with_bboxes",
    "description_with_polygons",
    "polygons",
    "bboxes",
    "description_with_bboxes_or_polygons",
]


def complete_processor(processor):
    """The processor with the parsers that a released checkpoint names."""
    stop_phrases = json.loads((ROOT / "tests/data/tasks/grounding_stop_phrases.json").read_text())
    config = {kind: {} for kind in KINDS}
    config["phrase_grounding"] = {"banned_grounding_tokens": stop_phrases}
    processor.post_processor = type(processor.post_processor)(
        config=config, tokenizer=processor.tokenizer
    )
    return processor


def main():
    torch.set_num_threads(1)  # the same sums everywhere, and fast beside other work
    processor = complete_processor(AutoProcessor.from_pretrained(MODEL))
    model = Florence2ForConditionalGeneration.from_pretrained(MODEL, dtype=torch.float32)
    answers = []
    for picture in PICTURES:
        image = Image.open(ROOT / "samples" / picture).convert("RGB")
        for prompt in PROMPTS:
            task = prompt[: prompt.index(">") + 1]
            inputs = processor(text=prompt, images=image, return_tensors="pt")
            generated_ids = model.generate(
                input_ids=inputs["input_ids"],
                pixel_values=inputs["pixel_values"],
                max_new_tokens=200,
                num_beams=3,
                do_sample=False,
            )
            text = processor.batch_decode(generated_ids, skip_special_tokens=False)[0]
            answer = processor.post_process_generation(text, task=task, image_size=image.size)
            answers.append(
                {
                    "picture": picture,
                    "prompt": prompt,
                    "ids": generated_ids[0].tolist(),
                    "text": text,
                    "answer": answer[task],
                }
            )
    weights = hashlib.sha256((MODEL / "model.safetensors").read_bytes()).hexdigest()
    lines = ",\n".join(json.dumps(answer, ensure_ascii=False) for answer in answers)
    content = f'{{"weights": "{weights}", "answers": [\n{lines}\n]}}\n'
    if "--print" in sys.argv:
        print(content)
    else:
        OUT.write_text(content)


if __name__ == "__main__":
    main()
