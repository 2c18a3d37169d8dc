"""What transformers' own page on Florence-2 shows, in our own words."""

import requests
import torch
from PIL import Image
from transformers import AutoProcessor, Florence2ForConditionalGeneration

name = "florence-community/Florence-2-base"
model = Florence2ForConditionalGeneration.from_pretrained(
    name, dtype=torch.float32, device_map="auto", attn_implementation="sdpa"
)
processor = AutoProcessor.from_pretrained(name, use_fast=True)
image = Image.open(
    requests.get("https://pictures.example.com/village.jpg", stream=True).raw
).convert("RGB")

task_prompt = "<OD>"
inputs = processor(text=task_prompt, images=image, return_tensors="pt").to(
    model.device, torch.float32
)
generated_ids = model.generate(**inputs, max_new_tokens=1024, num_beams=3, use_cache=True)
generated_text = processor.batch_decode(generated_ids, skip_special_tokens=False)[0]
print(processor.post_process_generation(generated_text, task=task_prompt, image_size=image.size))
