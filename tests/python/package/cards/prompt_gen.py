"""What the model cards of the PromptGen fine-tunes show, in our own words."""

import requests
import torch
from PIL import Image
from transformers import AutoModelForCausalLM, AutoProcessor

device = "cuda" if torch.cuda.is_available() else "cpu"
name = "MiaoshouAI/Florence-2-base-PromptGen-v2.0"
model = AutoModelForCausalLM.from_pretrained(name, trust_remote_code=True).to(device)
processor = AutoProcessor.from_pretrained(name, trust_remote_code=True)
image = Image.open(requests.get("https://pictures.example.com/village.jpg", stream=True).raw)

for prompt in (
    "<GENERATE_TAGS>",
    "<CAPTION>",
    "<DETAILED_CAPTION>",
    "<MORE_DETAILED_CAPTION>",
    "<ANALYZE>",
    "<MIXED_CAPTION>",
    "<MIXED_CAPTION_PLUS>",
):
    inputs = processor(text=prompt, images=image, return_tensors="pt").to(device)
    generated_ids = model.generate(
        input_ids=inputs["input_ids"],
        pixel_values=inputs["pixel_values"],
        max_new_tokens=1024,
        do_sample=False,
        num_beams=3,
    )
    generated_text = processor.batch_decode(generated_ids, skip_special_tokens=False)[0]
    parsed_answer = processor.post_process_generation(
        generated_text, task=prompt, image_size=(image.width, image.height)
    )
    print(parsed_answer)
